export { anyHome, type Answered } from './any-home.ts';
export type { CircuitState } from './circuit.ts';
export { GivenSecrets } from './given-secrets.ts';
export { DEFAULT_GROUP, type GroupSettings, type Home } from './group.ts';
export { Guard, type Guarded, type GuardEvents, type GuardSettings, type Within } from './guard.ts';
export { canceledBy, verdictOf } from './verdict.ts';
export { wrapEverywhere, type Wraps } from './wrap-everywhere.ts';
