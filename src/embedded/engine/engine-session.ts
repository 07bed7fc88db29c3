/* oxlint-disable no-underscore-dangle -- Emscripten's names for functions of C */
import type { PGlite } from '@electric-sql/pglite';
import { BackendScanner } from './backend-scanner.ts';
import { message } from '../wire.ts';

/**
 * Runs batches of the wire protocol on a PGlite through our own read and write callbacks, as Postgres has them
 * for a socket. PGlite's own `execProtocolRaw` does not serve, for three reasons:
 * - Its input ends with the call, so `copy ... from stdin` meets the end of the file and the engine ends. Here
 * reading waits.
 * - It swallows exceptions that are not Postgres errors (a stack overflow, a missing function) and goes on with
 * an engine in an unknown state. Here they come out, and the caller starts another engine.
 * - It collects a whole result in memory.
 */
export class EngineSession {
  readonly scanner: BackendScanner;
  readonly #module: EngineModule;
  readonly #moreInput: () => Uint8Array | undefined;
  readonly #onOutput: () => void;
  #input: Uint8Array = new Uint8Array();
  #offset = 0;

  /**
   * `parameters` is filled with the settings that Postgres reports. `moreInput` is called when COPY FROM STDIN
   * wants more data, and may block. `onOutput` is called when the scanner has received output.
   */
  constructor(
    pg: PGlite,
    parameters: Map<string, string>,
    moreInput: () => Uint8Array | undefined,
    onOutput: () => void,
  ) {
    this.scanner = new BackendScanner(parameters);
    this.#module = pg.Module as unknown as EngineModule;
    this.#moreInput = moreInput;
    this.#onOutput = onOutput;
    const module = this.#module;
    module._pgl_set_rw_cbs(
      module.addFunction((pointer, length) => this.#read(pointer, length), 'ipi'),
      module.addFunction((pointer, length) => this.#write(pointer, length), 'ipi'),
    );
    this.#startReporting();
  }

  /**
   * Runs whole messages. Throws errors that are not Postgres's own: after such an error the engine is of no
   * more use.
   */
  run(bytes: Uint8Array): void {
    const module = this.#module;
    this.#input = bytes;
    this.#offset = 0;
    while (this.#offset < this.#input.length || module._pq_buffer_remaining_data() > 0) {
      const stack = module.stackSave();
      try {
        module._PostgresMainLoopOnce();
      } catch (error) {
        if (!isPostgresError(error)) throw error;
        module.stackRestore(stack);
        module._PostgresMainLongJmp();
      }
    }
    module._PostgresSendReadyForQueryIfNecessary();
    module._pgl_pq_flush();
  }

  /**
   * Sends a startup packet. Without one Postgres would not report settings (ParameterStatus), and single-user
   * mode sends none.
   */
  #startReporting(): void {
    const parameters = Buffer.from('user\0postgres\0database\0postgres\0\0');
    // A startup packet is a message without a type.
    this.#input = message('?', 0x30000, parameters).subarray(1);
    this.#offset = 0;
    if (this.#module._ProcessStartupPacket(this.#module._pgl_getMyProcPort(), true, true) !== 0) {
      throw new Error('PGlite refused the startup packet');
    }
    this.#module._pgl_sendConnData();
    this.#module._pgl_pq_flush();
    this.scanner.reset();
  }

  #read(pointer: number, length: number): number {
    if (this.#offset >= this.#input.length) {
      const more = this.scanner.copying ? this.#moreInput() : undefined;
      if (!more) return 0;
      this.#input = more;
      this.#offset = 0;
    }
    const count = Math.min(length, this.#input.length - this.#offset);
    this.#module.HEAPU8.set(this.#input.subarray(this.#offset, this.#offset + count), pointer);
    this.#offset += count;
    return count;
  }

  #write(pointer: number, length: number): number {
    this.scanner.write(this.#module.HEAPU8.subarray(pointer, pointer + length));
    this.#onOutput();
    return length;
  }
}

/** The used part of PGlite's WebAssembly module (`PGlite.Module`; its published type needs Emscripten's types). */
interface EngineModule {
  readonly HEAPU8: Uint8Array;
  addFunction(callback: (pointer: number, length: number) => number, signature: string): number;
  stackSave(): number;
  stackRestore(stack: number): void;
  _pgl_set_rw_cbs(read: number, write: number): void;
  _pgl_pq_flush(): void;
  _pq_buffer_remaining_data(): number;
  _PostgresMainLoopOnce(): void;
  _PostgresMainLongJmp(): void;
  _PostgresSendReadyForQueryIfNecessary(): void;
  _ProcessStartupPacket(port: number, sslDone: boolean, gssDone: boolean): number;
  _pgl_getMyProcPort(): number;
  _pgl_sendConnData(): void;
}

/** PGlite jumps to Postgres' error handler by exiting with this status (POSTGRES_MAIN_LONGJMP). */
function isPostgresError(error: unknown): boolean {
  return error instanceof Object && 'status' in error && error.status === 100;
}
