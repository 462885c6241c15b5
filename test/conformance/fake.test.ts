/** The fake provider against the conformance kit: what tests and development lean on keeps the contract as well. */
import { systemRandom } from '../../src/crypto/random.ts';
import type { ErrorCode } from '../../src/errors.ts';
import type { Spec, Usage } from '../../src/model/spec.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { FakeProvider, FakeService, type FakeFault } from '../../src/providers/fake/index.ts';
import type { ConformanceHarness } from '../../src/providers/conformance/index.ts';
import { conformanceTests } from '../support/conformance.ts';
import { patient } from '../support/homes.ts';

const service = new FakeService();
let fault: FakeFault | null = null;
let calls = 0;
let created = 0;

function connection(): FakeProvider {
  const provider = new FakeProvider({ name: 'pretend', clock: systemClock, random: systemRandom, service });
  provider.fault = () => {
    calls += 1;
    return fault;
  };
  return provider;
}

/** Changes keys behind the back of the connections that are tried. */
const behind = new FakeProvider({ name: 'pretend', clock: systemClock, random: systemRandom, service });

async function create(spec: Spec, usage: Usage, material: Buffer | null = null): Promise<string> {
  created += 1;
  const wanted = { spec, usage, name: `made-${created}`, tags: {} };
  const made =
    material === null
      ? behind.lifecycle.create(wanted, patient())
      : behind.lifecycle.importMaterial!(wanted, material, patient());
  return (await made).ref;
}

function set(next: FakeFault | null): () => Promise<void> {
  return async () => {
    fault = next;
  };
}

function fails(code: ErrorCode): () => Promise<void> {
  return set({ kind: 'fail', code, applied: false });
}

const harness: ConformanceHarness = {
  makeProvider: async () => connection(),
  admin: {
    create,
    importKey: create,
    rotate: async (ref) => (await behind.lifecycle.rotate!(ref, patient())).ref,
    disable: (ref) => behind.lifecycle.setEnabled!(ref, false, patient()),
    enable: (ref) => behind.lifecycle.setEnabled!(ref, true, patient()),
    destroy: (ref) => behind.lifecycle.destroy(ref, patient()),
    alias: async (ref) => ref.slice(0, ref.indexOf('@')),
  },
  faults: {
    calls: () => calls,
    heal: set(null),
    throttle: fails('THROTTLED'),
    fail5xx: fails('PROVIDER_UNAVAILABLE'),
    hang: set({ kind: 'hang', applied: false }),
    deny: fails('PROVIDER_DENIED'),
  },
  references: { unknown: ['nobody', 'nobody@1'], malformed: ['', '@', 'Key', 'key@0', 'key@', '../key', 'key@1@2'] },
};

conformanceTests('fake', harness);
