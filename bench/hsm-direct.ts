/**
 * The PKCS#11 library called directly and synchronously: P-256 signatures a second in a process that does nothing else.
 * What a host process reaches is held against it.
 *
 *     node hsm-direct.ts LIBRARY TOKEN_LABEL WARM_UP_MS WINDOW_MS      the PIN in the environment variable PIN
 *
 * Prints the rate.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import pkcs11js from 'pkcs11js';

const [library, label, warmUpMs, windowMs] = process.argv.slice(2) as [string, string, string, string];
const DIGEST = createHash('sha256').update('bench').digest();
/** OID 1.2.840.10045.3.1.7 in DER. */
const P256 = Buffer.from('06082a8648ce3d030107', 'hex');
const ROOM = Buffer.alloc(64);

const module = new pkcs11js.PKCS11();
module.load(library);
module.C_Initialize();
try {
  const slot = module.C_GetSlotList(true).find((candidate) => module.C_GetTokenInfo(candidate).label.trim() === label)!;
  const session = module.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
  module.C_Login(session, pkcs11js.CKU_USER, process.env['PIN']);
  const { privateKey } = module.C_GenerateKeyPair(
    session,
    { mechanism: pkcs11js.CKM_EC_KEY_PAIR_GEN },
    [{ type: pkcs11js.CKA_EC_PARAMS, value: P256 }],
    [
      // As a provider's keys are: on the token, which costs the library more than a key that ends with the session.
      { type: pkcs11js.CKA_TOKEN, value: true },
      { type: pkcs11js.CKA_PRIVATE, value: true },
      { type: pkcs11js.CKA_SENSITIVE, value: true },
      { type: pkcs11js.CKA_EXTRACTABLE, value: false },
      { type: pkcs11js.CKA_SIGN, value: true },
    ],
  );
  const signFor = (ms: number): number => {
    const begunMs = performance.now();
    let count = 0;
    for (; performance.now() - begunMs < ms; count += 1) {
      module.C_SignInit(session, { mechanism: pkcs11js.CKM_ECDSA }, privateKey);
      module.C_Sign(session, DIGEST, ROOM);
    }
    return (count * 1000) / (performance.now() - begunMs);
  };
  signFor(Number(warmUpMs));
  console.log(signFor(Number(windowMs)));
  module.C_DestroyObject(session, privateKey);
} finally {
  module.C_Finalize();
}
