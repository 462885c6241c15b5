/** Killed while every third call makes or changes a key. */
import { testKills } from '../support/kill-rounds.ts';

testKills(3);
