import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Secret } from '../../src/config/secret.ts';
import type { AlertEvent } from '../../src/jobs/check-alerts.ts';

/** A webhook for alerts on the loopback interface. `close` it. */
export interface Webhook {
  readonly url: Secret;
  /** The events that it accepted, in order. */
  readonly received: AlertEvent[];
  /** The statuses of the next answers; 204 when the list is empty. */
  readonly answers: number[];
  /** Holds the next request with that text. Resolves once it has arrived, with a function that answers it. */
  hold(text: string): Promise<() => void>;
  close(): Promise<void>;
}

/** Starts a webhook. A 500 comes with the text "out of order"; a 302 redirects elsewhere. */
export async function startWebhook(): Promise<Webhook> {
  const received: AlertEvent[] = [];
  const answers: number[] = [];
  const holding: { readonly text: string; readonly held: (answer: () => void) => void }[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const event = JSON.parse(body) as AlertEvent;
      const answer = () => {
        const status = answers.shift() ?? 204;
        if (status < 300) received.push(event);
        response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {});
        response.end(status === 500 ? 'out of order' : undefined);
      };
      const index = holding.findIndex((one) => one.text === event.text);
      if (index === -1) answer();
      else holding.splice(index, 1)[0]!.held(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: new Secret(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=hush`),
    received,
    answers,
    hold: (held) => new Promise((resolve) => holding.push({ text: held, held: resolve })),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
