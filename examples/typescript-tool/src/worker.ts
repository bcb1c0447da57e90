/** Serves the tools of ../app/tools on task queue "mail". Temporal's address comes from TEMPORAL_ADDRESS and the like. */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Worker } from '@temporalio/worker';
import { findContact, sendNewsletter } from './tools';

async function main(): Promise<void> {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const worker = await Worker.create({
    connection: await NativeConnection.connect(connectionOptions),
    namespace,
    taskQueue: 'mail',
    activities: { 'tool.find_contact': findContact, 'tool.send_newsletter': sendNewsletter },
    // Heartbeats are sent this often at most, and a cancellation comes with the answer. The default is up to a minute.
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
  });
  await worker.run();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
