import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { FacadeParts } from '../app.js';
import { kernelgym } from './kernelgym.js';
import { mcp } from './mcp.js';
import { nemoGym } from './nemo-gym.js';
import { openenv } from './openenv.js';
import { openrlhf } from './openrlhf.js';
import { slime } from './slime.js';
import { tools } from './tools.js';

/** A framework's own protocol below its own path. */
export interface Facade {
  readonly prefix: string;
  readonly plugin: FastifyPluginAsyncZod<FacadeParts>;
}

export const facades: readonly Facade[] = [
  { prefix: '/v1/tools', plugin: tools },
  { prefix: '/mcp', plugin: mcp },
  { prefix: '/openrlhf', plugin: openrlhf },
  { prefix: '/slime', plugin: slime },
  { prefix: '/kernelgym', plugin: kernelgym },
  { prefix: '/nemo-gym', plugin: nemoGym },
  { prefix: '/openenv', plugin: openenv },
];
