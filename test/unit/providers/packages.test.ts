import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadPackages } from '../../../src/providers/packages.ts';

test('packages that are there are given as they are', async () => {
  const { version } = await loadPackages('aws', ['process'], () => import('node:process'));
  assert.equal(version, process.version);
});

test('one that is not installed is named, with the command that installs it', async () => {
  const missing = 'no-such-package';
  await assert.rejects(
    loadPackages('aws', [missing], () => import(missing)),
    {
      code: 'PROVIDER_MISCONFIGURED',
      message:
        'provider `aws` needs the package `no-such-package`, which cannot be loaded; run `npm install no-such-package`',
    },
  );
  await assert.rejects(
    loadPackages('azure', [missing, 'another'], () => import(missing)),
    { message: /run `npm install no-such-package another`$/ },
  );
});
