import { OperationalError } from '../operational-error.ts';

/** Something in a backup store is not what was written there. */
export class BackupDamaged extends OperationalError {
  override name = 'BackupDamaged';
  /** Key of the object that is damaged. */
  readonly member: string;

  constructor(member: string, what: string, options?: ErrorOptions) {
    super(`${member} is damaged: ${what}`, options);
    this.member = member;
  }
}
