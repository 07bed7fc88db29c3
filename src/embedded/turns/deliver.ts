import type { ItemResult } from '../engine/engine-messages.ts';
import type { Client } from '../front/client.ts';
import type { Channels } from './channels.ts';

/** ReadyForQuery: type, length, status. */
const readyForQueryBytes = 6;

/** Hands out a result and its notifications. The client's own notifications come before its ReadyForQuery. */
export function deliver(
  client: Client,
  { bytes, status, notifications }: ItemResult,
  channels: Channels<Client>,
): void {
  const end = status === null ? bytes.length : bytes.length - readyForQueryBytes;
  if (notifications.length === 0) {
    client.output(bytes);
    return;
  }
  client.output(bytes.subarray(0, end));
  for (const [channel, payload] of notifications) {
    for (const listener of channels.listeners(channel)) {
      listener.notify(client.processId, channel, payload);
    }
  }
  client.output(bytes.subarray(end));
}
