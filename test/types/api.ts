/**
 * Compile-time claims: the in-process service and the REST client are one interface. Checked by `tsc`, never run.
 *
 * @module
 */
import type { ClavigerClient } from '../../src/client/index.ts';
import type { Claviger, ClavigerApi } from '../../src/index.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** True only where both have this method with the very same type. */
type Methods = {
  readonly [Name in keyof ClavigerApi]: Same<Claviger[Name], ClavigerClient[Name]>;
};

function holds<_T extends true>(): void {
  // What it claims is in its type.
}

holds<Same<Methods[keyof Methods], true>>();
holds<Claviger extends ClavigerApi ? true : false>();
holds<ClavigerClient extends ClavigerApi ? true : false>();

type Output<Name extends keyof ClavigerApi> = Awaited<ReturnType<ClavigerApi[Name]>>;

holds<Same<Output<'encrypt'>['ciphertext'], Uint8Array>>();
holds<Same<Output<'decrypt'>['plaintext'], Uint8Array>>();
holds<Same<Output<'sign'>['keyVersion'], number>>();
holds<Same<Output<'verify'>['keyVersion'], number | null>>();

declare const api: ClavigerApi;
void api.listKeys();
void api.listKeys({ limit: 10 });
// @ts-expect-error -- a key has to be named
void api.encrypt({ plaintext: new Uint8Array() });
// @ts-expect-error -- bytes are bytes, not text
void api.encrypt({ key: 'k', plaintext: 'hello' });
// @ts-expect-error -- there is no such spec
void api.createKey({ spec: 'AES-512' });
// @ts-expect-error -- there is no such role
void api.createToken({ name: 'n', roles: ['root'] });
