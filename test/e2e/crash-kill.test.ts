/** Killed while it signs and encrypts as fast as it can, with a change of a key now and then. */
import { testKills } from '../support/kill-rounds.ts';

testKills(100);
