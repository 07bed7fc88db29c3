import { OperationalError } from '../operational-error.ts';

/** A restore was refused before anything was written. */
export class RestoreRefused extends OperationalError {
  override name = 'RestoreRefused';
  /** The object, WAL file or backup that is missing or damaged; null: the refusal has another reason. */
  readonly member: string | null;

  constructor(message: string, member: string | null, options?: ErrorOptions) {
    super(message, options);
    this.member = member;
  }
}
