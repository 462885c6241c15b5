/**
 * The test server as a process: prints one line of JSON with its addresses and credentials, and runs until it is killed.
 *
 *     node tools/peers/azure/main.ts --certificate cert.pem --key key.pem [--managed-hsm] [--public-host HOST]
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startAzure } from './server.ts';

const { values } = parseArgs({
  options: {
    certificate: { type: 'string' },
    key: { type: 'string' },
    'managed-hsm': { type: 'boolean', default: false },
    'public-host': { type: 'string' },
  },
});
if (values.certificate === undefined || values.key === undefined) {
  console.error('it needs --certificate and --key');
  process.exit(2);
}
const { vaultUrl, authorityHost, controlUrl, publicHost, tenantId, clientId, clientSecret } = await startAzure({
  certificate: readFileSync(values.certificate, 'utf8'),
  key: readFileSync(values.key, 'utf8'),
  managedHsm: values['managed-hsm'],
  ...(values['public-host'] === undefined ? {} : { publicHost: values['public-host'] }),
});
console.log(JSON.stringify({ vaultUrl, authorityHost, controlUrl, publicHost, tenantId, clientId, clientSecret }));
