/** A message of `GET /events`, as a client's parser gives it. */
export interface ReceivedEvent {
  readonly event: string;
  readonly id: string;
  /** Parsed. */
  readonly data: EventData;
}

/** What events carry, all kinds together. */
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
  /** What came so far; `next` takes from it. */
  readonly events: ReceivedEvent[];
  /** Id to come back with: that of the last message, heartbeats included. */
  readonly lastEventId: () => string;
  /** The next event; rejects when the stream ends before one comes. */
  next(): Promise<ReceivedEvent>;
  /** Settles when the stream is over, however it ended. */
  readonly ended: Promise<void>;
  /** Cuts the connection. */
  close(): void;
}

/**
 * Opens a stream on top of fetch, as docs/live.md shows. Resolves with its head, which is sent before anything is listened to:
 * without a `lastEventId` only what is written once the first event (`ready`) has come is sure to be told.
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
      // Cut off, by us or by the server.
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
