/** The conformance kit: a good provider passes all of it, and each bad habit is caught by a case that is about it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { conformanceCases, type ConformanceHarness } from '../../src/providers/conformance/index.ts';
import { conformanceTests } from '../support/conformance.ts';
import { toyHarness, type Habit } from './toy.ts';

/** Habit → names of cases that catch it. */
const CAUGHT: Readonly<Record<Habit, readonly string[]>> = {
  'binds no context': [
    'wrap AES-256-GCM: another context is refused',
    'wrap AES-256-GCM: data keys that the service makes open, differ, and are bound like others',
  ],
  'wraps the same way each time': ['wrap AES-256-GCM: two wraps of one data key differ'],
  'opens wraps of any key': ['wrap AES-256-GCM: a wrap of one key does not open under another'],
  'reads over what comes after a wrap': ['wrap AES-256-GCM: a wrap that is cut or longer does not open'],
  'does not authenticate wraps': [
    'wrap AES-256-GCM: a wrap with one bit changed does not open, wherever it is',
    'wrap AES-256-GCM: noise does not open',
  ],
  'says another error for what does not open': [
    'wrap AES-256-GCM: a wrap with one bit changed does not open, wherever it is',
    'wrap RSA-2048: a wrap of one key does not open under another',
  ],
  'salts to the maximum': ['sign RSA-2048 RSASSA_PSS_SHA_256: the salt is as long as the hash'],
  'hashes a digest again': [
    'sign P-256 ECDSA_SHA_256: of a digest, and others verify it',
    'sign RSA-2048 RSASSA_PKCS1_V1_5_SHA_512: of a digest, and others verify it',
  ],
  'gives signatures that are not DER': ['sign P-256 ECDSA_SHA_256: signatures are DER'],
  'cuts MACs': ['mac HMAC-SHA-256: the same for the same message, another for another, and as long as the hash'],
  'makes MACs of a hash': ['mac HMAC-SHA-256: of a key that was imported, it is the HMAC that others make'],
  'tries a refusal again': [
    'states: a disabled key is refused with KEY_DISABLED after one call, and works again when it is enabled',
  ],
  'tries a throttled call again': [
    'faults, throttle: a service that has too many calls gives THROTTLED after one call, in time, and is forgotten afterwards',
  ],
  'names the newest version always': ['rotate AES-256-GCM: the old version goes on, and results name the new one'],
  'forgets old versions': ['rotate AES-256-GCM: the old version goes on, and results name the new one'],
  'signs with the newest version always': [
    'rotate P-256: the old version goes on, and results name the new one',
    'rotate HMAC-SHA-256: the old version goes on, and results name the new one',
  ],
  'never looks at the signal': [
    'faults, hang: a service that never answers gives PROVIDER_TIMEOUT after one call, in time, and is forgotten afterwards',
    'abort: a call that the caller gives up ends with CANCELED, at once',
  ],
  'takes every abort for a timeout': [
    'abort: a call that the caller gives up ends with CANCELED, at once',
    'abort: an error of ours that a call is ended with comes out as it is',
  ],
  'makes calls that were given up': [
    'abort: a call that was given up before it began is not made',
    'abort: a call whose time was over before it began is not made',
  ],
  'throws what its SDK threw': [
    'faults, reset: a connection that is reset gives PROVIDER_UNAVAILABLE after one call, in time, and is forgotten afterwards',
  ],
  'names nobody in errors': ['errors: what a service refused names the provider in `native`'],
  'leaks its token in a cause': ['errors: no secret stands in them, nor in what they were caused by'],
  'leaks plain texts in errors': ['errors: no secret stands in them, nor in what they were caused by'],
  'leaks its token in inspect': ['inspect: a provider and its keys show no secret'],
  'calls every fault an outage': [
    'faults, throttle: a service that has too many calls gives THROTTLED after one call, in time, and is forgotten afterwards',
    'faults, deny: credentials that are refused gives PROVIDER_DENIED after one call, in time, and is forgotten afterwards',
  ],
  'calls a bad reference an outage': [
    'references: noise is refused, and nothing breaks',
    'references: what is none is refused',
  ],
  'crashes at odd references': [
    'references: noise is refused, and nothing breaks',
    'references: what is none is refused',
  ],
  'asks the service what it supports': [
    'sign Ed25519: what is not declared is refused before any call',
    'cipher RSA-2048: algorithms that are not declared are refused before any call',
  ],
  'lets the service refuse what is too long': [
    'wrap AES-256-GCM: a data key that is too long is refused before any call',
    'sign P-256: the longest message is signed, and a longer one refused before any call',
    'cipher RSA-2048 RSAES_OAEP_SHA_256: a text that is too long is refused before any call',
  ],
  'signs with what it does not declare': ['sign Ed25519: what is not declared is refused before any call'],
  'declares what it cannot': ['sign P-384 ECDSA_SHA_384: of a message, and others verify it'],
  'declares a thing twice': ['capabilities: each row makes sense and stands there once'],
  'works after close': ['close: twice is as once, and no call is made after it'],
  'breaks when it is closed twice': ['close: twice is as once, and no call is made after it'],
  'never recovers': [
    'faults, reset: a connection that is reset gives PROVIDER_UNAVAILABLE after one call, in time, and is forgotten afterwards',
  ],
  'believes every answer': [
    'faults, nonsense: an answer that makes no sense gives PROVIDER_UNAVAILABLE after one call, in time, and is forgotten afterwards',
  ],
  'mixes calls up': ['at once, sign: each signature is one of its message'],
  'lends its buffers': ['wrap AES-256-GCM: data keys come back as they were'],
  'takes an alias for a reference': ['references: an alias gives the immutable one, each time'],
  'makes the same data key each time': [
    'wrap AES-256-GCM: data keys that the service makes open, differ, and are bound like others',
  ],
  'makes keys of another spec': [
    'describe P-256: says what the key is',
    'create P-256: the key is as it was wanted, and works at once',
  ],
  'makes other keys than were given': ['import P-256: the key is the one that was given'],
  'says that all keys are enabled': [
    'states: a disabled key is refused with KEY_DISABLED after one call, and works again when it is enabled',
    'states: a destroyed key is refused with KEY_STATE, or as not there',
  ],
  'uses destroyed keys': ['states: a destroyed key is refused with KEY_STATE, or as not there'],
  'takes keys of other curves': ['agree P-256: what is no public key of its curve is refused'],
  'decrypts with another hash': [
    'cipher RSA-2048 RSAES_OAEP_SHA_256: what was encrypted elsewhere with the public key is decrypted',
  ],
  'speaks Of Errors.': ['errors: messages begin small, and end without a period'],
};

/** The case of this name. */
function caseOf(harness: ConformanceHarness, name: string): { readonly run: () => Promise<void> } {
  const found = conformanceCases(harness).find((one) => one.name === name);
  assert.ok(found, `there is no case \`${name}\``);
  return found;
}

conformanceTests('a good provider', toyHarness());

describe('the conformance kit catches a provider that', () => {
  for (const [habit, names] of Object.entries(CAUGHT)) {
    for (const name of names) {
      test(`${habit}, by \`${name}\``, async () => {
        await assert.rejects(caseOf(toyHarness(habit as Habit), name).run(), { name: 'AssertionError' });
      });
    }
  }
});

describe('the list of cases', () => {
  test('no two cases have one name', () => {
    const names = conformanceCases(toyHarness()).map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  });

  test('a harness without faults has no cases of faults, and all others', () => {
    const { faults: _, ...harness } = toyHarness();
    const names = conformanceCases(harness).map(({ name }) => name);
    assert.ok(!names.some((name) => name.startsWith('faults')));
    assert.ok(names.includes('abort: a call that was given up before it began is not made'));
  });

  test('a known fault turns its case around: it must fail, and its row goes when it does not', async () => {
    const name = 'sign RSA-2048 RSASSA_PSS_SHA_256: the salt is as long as the hash';
    const knownFaults = { 'sign RSA-* RSASSA_PSS_SHA_256: the salt*': 'the service salts to the maximum' };
    await caseOf({ ...toyHarness('salts to the maximum'), knownFaults }, name).run();
    await assert.rejects(caseOf({ ...toyHarness(), knownFaults }, name).run(), /take the row out/);
  });

  test('a known fault that names no case is refused', () => {
    assert.throws(() => conformanceCases({ ...toyHarness(), knownFaults: { 'sign RSA-1024*': '' } }), /not there/);
  });

  test('a shared connection is used by all cases that do not harm it, and stays open', async () => {
    const harness = toyHarness();
    const shared = await harness.makeProvider();
    let made = 0;
    const counted: ConformanceHarness = {
      ...harness,
      sharedProvider: async () => shared,
      makeProvider: () => {
        made += 1;
        return harness.makeProvider();
      },
    };
    for (const { name, run } of conformanceCases(counted)) {
      if (name.startsWith('references') || name.startsWith('close')) await run();
    }
    assert.equal(made, 2);
    assert.ok((await shared.probe({ signal: AbortSignal.timeout(1000), timeoutMs: 1000 })).ok);
  });
});
