/** The AWS KMS adapter against the conformance kit, at our own endpoint: all that no imitation has. */
import { awsKmsConformance } from '../support/aws-kms-conformance.ts';
import { startOurs } from '../support/kms-servers.ts';

await awsKmsConformance({
  name: 'our own endpoint',
  start: startOurs,
  has: () => true,
  rotates: true,
  knownFaults: { 'rotate HMAC-*': 'RotateKeyOnDemand is for symmetric encryption keys, as in AWS' },
});
