import { defineJob } from './job.ts';
import { payloadMembers } from './payload.ts';
import { sendAlert } from './send-alert.ts';

export const sendAnchorJob = defineJob({
  task: 'send_anchor',
  does: 'sends the head of the sealed audit log to AUDIT_ANCHOR_URL',
  parse: (payload) => payloadMembers(payload, ['event', 'text', 'anchor']),
  run: async (event, run, { anchors }) => {
    if (anchors.webhook === null) return 'sent nothing: AUDIT_ANCHOR_URL is no longer set';
    await sendAlert(anchors.webhook, event, run.signal);
    return `sent: ${String(event.text)}`;
  },
});
