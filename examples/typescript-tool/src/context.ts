/** The call that a tool serves: the second argument of every tool. See docs/reference/tool-yaml.md. */
export interface ToolContext {
  readonly task_id: string;
  readonly call_id: string;
  /** The same on each attempt of this call. Pass it on to the services that you call. */
  readonly idempotency_key: string;
  readonly step: number;
}
