export { fakeSchema } from './config.ts';
export type { FakeFault, FakeOperation } from './faults.ts';
export { fake, FakeProvider, FakeService, type FakeOptions } from './provider.ts';
