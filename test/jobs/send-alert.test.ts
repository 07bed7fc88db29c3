import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/config/secret.ts';
import { sendAlert } from '../../src/jobs/send-alert.ts';
import { startWebhook } from '../support/webhook.ts';

describe('the webhook', () => {
  const never = new AbortController().signal;

  test('that is missing, or redirects, is an error that does not reveal its address', async () => {
    const webhook = await startWebhook();
    webhook.answers.push(302);
    const elsewhere = sendAlert(webhook.url, {}, never);
    await expect(elsewhere).rejects.toThrow(/^the webhook did not answer: unexpected redirect$/);
    await webhook.close();
    const refused = sendAlert(webhook.url, {}, never);
    await expect(refused).rejects.toThrow(/^the webhook did not answer: .*ECONNREFUSED/);
    await expect(refused).rejects.not.toThrow(/hush/);
  });

  test('that does not answer is given up when the worker stops, or after a while', async () => {
    const silent = createServer(() => {});
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const url = new Secret(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/`);
    await expect(sendAlert(url, {}, AbortSignal.abort(new Error('the worker stops')))).rejects.toThrow(
      /the worker stops/,
    );
    await expect(sendAlert(url, {}, never, 200)).rejects.toThrow(/^the webhook did not answer: .*timeout/);
    silent.closeAllConnections();
    silent.close();
  });
});
