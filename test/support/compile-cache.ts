import { fileURLToPath } from 'node:url';

/** Where Node keeps compiled code between processes (`NODE_COMPILE_CACHE`): a run of all tests starts hundreds. */
export const compileCache = fileURLToPath(new URL('../../.cache/compiled', import.meta.url));
