import type { Secret } from '../config/secret.ts';
import { OperationalError } from '../operational-error.ts';
import { defineJob } from './job.ts';
import { payloadMembers } from './payload.ts';

/** The webhook did not accept an alert. The message never contains its address, which may be a secret. */
export class AlertNotSent extends OperationalError {
  override name = 'AlertNotSent';
}

/**
 * Posts an alert's event to the webhook as JSON. Throws AlertNotSent unless the webhook answers with success in
 * time.
 */
export async function sendAlert(
  url: Secret,
  event: object,
  signal: AbortSignal,
  timeoutMs = 10_000,
): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url.reveal(), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(event),
      // Redirects are refused, so that an alert goes only to the configured address.
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
  } catch (error) {
    throw new AlertNotSent(`the webhook did not answer: ${reasonOf(error)}`, { cause: error });
  }
  if (response.ok) {
    await response.body?.cancel();
    return;
  }
  const answer = await response.text().catch(() => '');
  throw new AlertNotSent(`the webhook answered ${response.status} ${answer.slice(0, 200)}`.trim());
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // fetch's own error says nothing useful; its cause does.
  return error.cause instanceof Error ? error.cause.message || error.cause.name : error.message;
}

export const sendAlertJob = defineJob({
  task: 'send_alert',
  does: 'sends an alert to the webhook',
  parse: (payload) => payloadMembers(payload, ['event', 'text', 'alert']),
  run: async (event, run, { alertWebhook }) => {
    if (alertWebhook === null) return 'sent nothing: ALERT_WEBHOOK_URL is no longer set';
    run.progress(null, `sends ${String(event.text)}`);
    await sendAlert(alertWebhook, event, run.signal);
    return `sent ${String(event.text)}`;
  },
});
