import type { Fault } from './asking.js';
import { boxKilled, redisRestarted } from './box-faults.js';
import { badBodies, badTokens, clientGone, slowClient } from './client-faults.js';
import { diskFull, killed, terminated } from './end-faults.js';
import { badEngine, lateEngine, workerKilled } from './engine-faults.js';

/** Each does one thing to a service and looks at what comes of it. */
export const faults: Readonly<Record<string, Fault>> = {
  'client gone mid-request': clientGone,
  'slow client': slowClient,
  'oversized and malformed bodies': badBodies,
  'invalid tokens': badTokens,
  'engine hangs at the start': lateEngine,
  'engine hangs': (bench) => badEngine(bench, 'hangs'),
  'engine answers garbage': (bench) => badEngine(bench, 'garbage'),
  'worker killed': workerKilled,
  'worker of another box killed': boxKilled,
  'Redis restarted': redisRestarted,
  'disk full': diskFull,
  'SIGTERM under load': terminated,
  'SIGKILL under load, and restart': killed,
};
