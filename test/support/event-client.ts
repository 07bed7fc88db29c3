/** A message of `GET /events`, as a client's parser returns it. */
export interface ReceivedEvent {
  readonly event: string;
  readonly id: string;
  /** The data, parsed. */
  readonly data: EventData;
}

/** The fields of events, all kinds together. */
export interface EventData {
  readonly topic?: string | null;
  readonly operation?: string;
  readonly id?: string;
  readonly row?: Readonly<Record<string, unknown>> | null;
  readonly reason?: string;
  readonly code?: string;
  readonly topics?: readonly string[];
}

/** An open stream. `close` it. */
export interface EventClient {
  readonly status: number;
  /** The events that have arrived; `next` takes from this list. */
  readonly events: ReceivedEvent[];
  /** The id to reconnect with: that of the last message, heartbeats included. */
  readonly lastEventId: () => string;
  /** The next event. Rejects when the stream ends before one arrives. */
  next(): Promise<ReceivedEvent>;
  /** Settles when the stream is over, whatever ended it. */
  readonly ended: Promise<void>;
  /** Cuts the connection. */
  close(): void;
}

/**
 * Opens a stream on top of fetch, as docs/live.md shows. Resolves with the response head, which is sent before the
 * server listens to anything: without a `lastEventId`, only what is written after the first event (`ready`) is certain
 * to be delivered.
 */
export async function openEvents(
  url: string,
  token: string | null,
  { topics, lastEventId }: { readonly topics?: string; readonly lastEventId?: string } = {},
): Promise<EventClient> {
  const abort = new AbortController();
  const response = await fetch(`${url}/events${topics === undefined ? '' : `?topics=${topics}`}`, {
    headers: {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    },
    signal: abort.signal,
  });
  const events: ReceivedEvent[] = [];
  const takers: { resolve: (event: ReceivedEvent) => void; reject: (error: Error) => void }[] = [];
  let id = lastEventId ?? '';
  let over = false;
  const receive = (block: string): void => {
    const fields = new Map(
      block
        .split('\n')
        .filter((line) => !line.startsWith(':'))
        .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
    );
    id = fields.get('id') ?? id;
    const data = fields.get('data');
    if (data === undefined) return;
    const event = { event: fields.get('event') ?? 'message', id, data: JSON.parse(data) as EventData };
    const taker = takers.shift();
    if (taker) taker.resolve(event);
    else events.push(event);
  };
  const read = async (): Promise<void> => {
    let text = '';
    try {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        const blocks = (text + chunk).split('\n\n');
        text = blocks.pop() ?? '';
        blocks.forEach(receive);
      }
    } catch {
      // The client or the server cut the connection.
    }
    over = true;
    for (const taker of takers.splice(0)) taker.reject(new Error('the stream ended'));
  };
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  return {
    status: response.status,
    events,
    lastEventId: () => id,
    next: () =>
      new Promise((resolve, reject) => {
        const event = events.shift();
        if (event) resolve(event);
        else if (over) reject(new Error('the stream ended'));
        else takers.push({ resolve, reject });
      }),
    ended: isStream ? read() : Promise.resolve(),
    close: () => abort.abort(),
  };
}
