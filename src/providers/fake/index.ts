export { fakeConfig, type FakeConfig } from './config.ts';
export { FAKE_OPERATIONS, type FakeCall, type FakeFault, type FakeOperation } from './faults.ts';
export { fake, FakeProvider, FakeService, type FakeOptions } from './provider.ts';
