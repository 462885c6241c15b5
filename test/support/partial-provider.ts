/**
 * A provider without what the server before it does not have: the conformance kit asks for everything that is declared,
 * and an imitation of a service lacks half of it.
 *
 * @module
 */
import { ClavigerError } from '../../src/errors.ts';
import type {
  Capability,
  CapabilityOperation,
  HomeKey,
  KeyLifecycle,
  Provider,
  WantedKey,
} from '../../src/providers/provider.ts';
import type { Spec } from '../../src/model/spec.ts';

/** @param has whether the server has it */
export function partialProvider(provider: Provider, has: (row: Capability) => boolean): Provider {
  const rows = provider.capabilities().filter(has);
  const can = (spec: Spec, ...operations: readonly CapabilityOperation[]): boolean =>
    rows.some((row) => row.spec === spec && operations.includes(row.operation));
  const requireSpec = (spec: Spec, ...operations: readonly CapabilityOperation[]): void => {
    if (!can(spec, ...operations)) throw new ClavigerError('UNSUPPORTED', `the server has no keys of \`${spec}\``);
  };
  const { lifecycle } = provider;
  return {
    name: provider.name,
    kind: provider.kind,
    capabilities: () => rows,
    resolve: provider.resolve.bind(provider),
    describe: provider.describe.bind(provider),
    key: (ref, spec) => {
      const key = provider.key(ref, spec);
      requireSpec(spec, ...USES);
      return partialKey(key, (...operations) => can(spec, ...operations));
    },
    ...(provider.random === undefined ? {} : { random: provider.random.bind(provider) }),
    ...(lifecycle === undefined ? {} : { lifecycle: partialLifecycle(lifecycle, requireSpec) }),
    probe: provider.probe.bind(provider),
    close: provider.close.bind(provider),
  };
}

const USES = ['wrap', 'encrypt', 'decrypt', 'sign', 'mac', 'agree', 'decapsulate'] as const;

function partialKey(key: HomeKey, can: (...operations: readonly CapabilityOperation[]) => boolean): HomeKey {
  return {
    ref: key.ref,
    ...(key.wrap !== undefined && can('wrap') ? { wrap: key.wrap } : {}),
    ...(key.cipher !== undefined && can('encrypt', 'decrypt') ? { cipher: key.cipher } : {}),
    ...(key.sign !== undefined && can('sign') ? { sign: key.sign } : {}),
    ...(key.mac !== undefined && can('mac') ? { mac: key.mac } : {}),
    ...(key.agree !== undefined && can('agree') ? { agree: key.agree } : {}),
    ...(key.decapsulate !== undefined && can('decapsulate') ? { decapsulate: key.decapsulate } : {}),
  };
}

function partialLifecycle(
  lifecycle: KeyLifecycle,
  requireSpec: (spec: Spec, operation: CapabilityOperation) => void,
): KeyLifecycle {
  return {
    create: async (wanted: WantedKey, options) => {
      requireSpec(wanted.spec, 'create');
      return lifecycle.create(wanted, options);
    },
    destroy: (ref, options) => lifecycle.destroy(ref, options),
    ...(lifecycle.setEnabled && {
      setEnabled: (ref, enabled, options) => lifecycle.setEnabled!(ref, enabled, options),
    }),
    ...(lifecycle.restore && { restore: (ref, options) => lifecycle.restore!(ref, options) }),
    ...(lifecycle.setTags && { setTags: (ref, tags, options) => lifecycle.setTags!(ref, tags, options) }),
    ...(lifecycle.importMaterial && {
      importMaterial: async (wanted, material, options) => {
        requireSpec(wanted.spec, 'import');
        return lifecycle.importMaterial!(wanted, material, options);
      },
    }),
  };
}
