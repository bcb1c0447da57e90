/** Two tools. Each takes the model's arguments and the context of the call, and returns plain JSON. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApplicationFailure, CancelledFailure, heartbeat, sleep } from '@temporalio/activity';
import type { ToolContext } from './context';

const CONTACTS: Record<string, string> = { ada: 'ada@example.com', grace: 'grace@example.com' };
const OUTBOX = process.env.OUTBOX ?? 'outbox';

/** A pure tool: a value, or an error that the model reads. */
export async function findContact({ name }: { name: string }): Promise<{ name: string; address: string }> {
  const address = CONTACTS[name.toLowerCase()];
  if (address === undefined) {
    // "nonRetryable": another attempt would fail in the same way.
    const names = Object.keys(CONTACTS).join(', ');
    throw ApplicationFailure.nonRetryable(`There is no contact '${name}'. Contacts: ${names}.`, 'UnknownContact');
  }
  return { name, address };
}

interface Newsletter {
  subject: string;
  recipients: string[];
  /** Between two emails: mail servers dislike hurry. */
  seconds_between?: number;
}

/** An irreversible tool that takes long: it heartbeats, and stops when its task is cancelled. */
export async function sendNewsletter(
  { subject, recipients, seconds_between = 1 }: Newsletter,
  context: ToolContext,
): Promise<{ sent: number }> {
  let sent = 0;
  try {
    for (const recipient of recipients) {
      await send(recipient, subject, context.idempotency_key);
      sent += 1;
      await pause(seconds_between, sent);
    }
  } catch (error) {
    if (error instanceof CancelledFailure) {
      await writeFile(join(OUTBOX, 'cancelled.json'), JSON.stringify({ sent }));
    }
    throw error; // Temporal must learn that the cancellation was obeyed
  }
  return { sent };
}

/** Heartbeat every half second. Each heartbeat brings a cancellation back, and `sleep` throws it. */
async function pause(seconds: number, sent: number): Promise<void> {
  for (let remaining = seconds * 1000; remaining > 0; remaining -= 500) {
    heartbeat({ sent });
    await sleep(Math.min(remaining, 500));
  }
}

/** Stands in for a mail server. The key makes a repeated email the same email. */
async function send(recipient: string, subject: string, idempotencyKey: string): Promise<void> {
  await mkdir(OUTBOX, { recursive: true });
  const file = `${idempotencyKey}-${recipient}`.replace(/[^A-Za-z0-9@.-]/g, '_');
  await writeFile(join(OUTBOX, `${file}.json`), JSON.stringify({ recipient, subject }));
}
