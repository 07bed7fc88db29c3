import type { Client } from '../front/client.ts';
import type { Item } from './group.ts';

/** The clients whose batches wait for the engine, in the order in which the batches came. */
export class WaitingLine {
  #clients: Client[] = [];

  /** Valid until the next change. */
  get clients(): readonly Client[] {
    return this.#clients;
  }

  get isEmpty(): boolean {
    return this.#clients.length === 0;
  }

  push(client: Client): void {
    this.#clients.push(client);
  }

  /** Takes `count` clients from the head. */
  shift(count: number): void {
    this.#clients = this.#clients.slice(count);
  }

  delete(client: Client): void {
    this.#clients = this.#clients.filter((other) => other !== client);
  }

  /** Takes all clients. */
  clear(): readonly Client[] {
    const clients = this.#clients;
    this.#clients = [];
    return clients;
  }

  /**
   * Puts the clients whose batches did not run back at the head. The holder of the engine does not wait in
   * line.
   */
  putBack(items: readonly Item[], holder: Client | null): void {
    const clients = items.flatMap((item) => (item.purpose === 'batch' ? [item.client] : []));
    const waiting = clients.filter((client) => client.batch && client !== holder);
    if (waiting.length > 0) this.#clients = [...waiting, ...this.#clients];
  }
}
