import { type FastifyPluginAsyncZod, hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import { z } from 'zod';
import { KvalError, toKvalError } from '../../errors.js';
import type { FacadeParts } from '../app.js';
import { isTriton, requestOf, resultOf, type Task, taskSchema, tritonSaid } from './kernelgym-task.js';
import { isClientFault, judgeInTime, openTries, unavailable } from './patience.js';

/** Its client submits three times. */
const clientTries = 3;
const tasksAtOnce = 16;

type Result = ReturnType<typeof resultOf> | ReturnType<typeof failed>;
type Known = { readonly status: 'processing'; readonly stop: AbortController } | Result;

/**
 * KernelGYM's evaluation server. Its client waits for `/evaluate`, throws the answer away, and asks for status and
 * result by the task's id: they are kept for an hour. Its habits are those of hkust-nlp/KernelGYM at 3a84417.
 */
export const kernelgym: FastifyPluginAsyncZod<FacadeParts> = async (app, { judge, tally, kval, deadlineMs }) => {
  const known = new LRUCache<string, Known>({ max: 20_000, ttl: 3_600_000 });
  const tries = openTries(clientTries);

  app.setErrorHandler((thrown, request, reply) => {
    const invalid = hasZodFastifySchemaValidationErrors(thrown);
    const error = toKvalError(thrown);
    const body = z.object({ task_id: z.string() }).safeParse(request.body).data;
    return reply.code(invalid ? 400 : error.httpStatus).send({
      error: invalid ? 'Validation Error' : error.code,
      message: invalid ? thrown.message : `${error.message}. ${error.fix}`,
      error_code: invalid || isClientFault(thrown) ? 'VALIDATION_ERROR' : 'SYSTEM_ERROR',
      task_id: body?.task_id ?? null,
      timestamp: now(),
    });
  });

  const evaluate = async (task: Task): Promise<Result> => {
    const stop = new AbortController();
    const id = task.task_id;
    known.set(id, { status: 'processing', stop });
    try {
      const reply = await judgeInTime(judge, requestOf(task), {
        signal: stop.signal,
        deadlineMs: deadlineMs ?? task.timeout * 1_000,
      });
      tries.judged(id);
      const result = { ...resultOf(task, reply), completed_at: now() };
      known.set(id, result);
      return result;
    } catch (thrown) {
      const result = failed(task, thrown);
      known.set(id, result);
      if (isClientFault(thrown)) throw thrown;
      if (stop.signal.aborted || tries.usedUp(id)) return result;
      throw unavailable(thrown);
    }
  };

  const find = (id: string): Known => {
    const found = known.get(id);
    if (found === undefined) throw new KvalError('not-found', `there is no task ${id}`);
    return found;
  };
  const findResult = (id: string): Result => {
    const found = find(id);
    if ('task_id' in found) return found;
    throw new KvalError('not-found', `task ${id} has no result yet`);
  };
  const byId = { schema: { params: z.object({ id: z.string() }) } };

  app.post('/evaluate', { schema: { summary: 'KernelGYM: evaluate', body: taskSchema } }, ({ body }) => evaluate(body));

  app.post(
    '/evaluate/batch',
    { schema: { body: z.looseObject({ batch_id: z.string(), tasks: z.array(taskSchema).min(1).max(100) }) } },
    async ({ body: { batch_id, tasks } }) => {
      const limit = pLimit(tasksAtOnce);
      const one = (task: Task): Promise<Result> => evaluate(task).catch((thrown: unknown) => failed(task, thrown));
      const results = await limit.map(tasks, one);
      const completed = results.filter(({ status }) => status === 'completed').length;
      return {
        batch_id,
        total_tasks: tasks.length,
        completed_tasks: completed,
        failed_tasks: tasks.length - completed,
        results,
        batch_status: completed > 0 ? 'completed' : 'failed',
        completed_at: now(),
      };
    },
  );

  // Whether a task is as it must be, without judging it: what is wrong is the 400 of its schema.
  app.post('/debug/validate', { schema: { body: taskSchema } }, async ({ body }) => {
    const errors = isTriton(body.kernel_code) ? [tritonSaid] : [];
    const { task_id, workflow, kernel_code: _kernel, reference_code: _reference, ...request_info } = body;
    return { valid: errors.length === 0, errors, warnings: [], task_id, workflow, request_info };
  });

  app.post(
    '/workflow/submit',
    {
      schema: {
        body: z.looseObject({
          workflow: taskSchema.shape.workflow,
          task_id: z.string().optional(),
          payload: taskSchema.partial({ task_id: true }),
        }),
      },
    },
    async ({ body: { task_id: outer, payload } }) => {
      const task_id = outer ?? payload.task_id;
      if (task_id === undefined) throw new KvalError('bad-input', 'there is no task_id');
      return workflowResult(await evaluate({ ...payload, task_id }));
    },
  );
  app.get('/workflow/results/:id', byId, async ({ params: { id } }) => workflowResult(findResult(id)));

  app.get('/status/:id', byId, async ({ params: { id } }) => {
    const found = find(id);
    return {
      task_id: id,
      status: found.status,
      ...('error_message' in found ? { error_message: found.error_message } : {}),
    };
  });
  app.get('/results/:id', byId, async ({ params: { id } }) => findResult(id));
  app.delete('/tasks/:id', byId, async ({ params: { id } }) => {
    const found = find(id);
    if ('stop' in found) found.stop.abort(new KvalError('interrupted', 'the task was cancelled'));
    return { task_id: id, status: 'cancelled' };
  });

  app.get('/', async () => ({ message: 'kval', version: kval.version }));
  app.get('/health', async () => ({ status: 'healthy', timestamp: now(), version: kval.version }));
  app.get('/metrics', async () => ({ timestamp: now(), pending_tasks: judge.pending(), ...tally.state() }));
  app.get('/queue/status', async () => ({ pending: judge.pending() }));
  app.get('/workers/status', async () => ({ workers: [], validator: judge.modes.present().validator.name }));
};

/** The instrument failed, or the task was cancelled: nothing is known of the kernel. */
function failed(task: Task, thrown: unknown) {
  const { code, message } = toKvalError(thrown);
  return {
    task_id: task.task_id,
    status: 'failed',
    compiled: null,
    correctness: null,
    speedup: null,
    metadata: { infra_ok: 0 },
    error_message: `not judged (${code}): ${message}`,
    error_code: isClientFault(thrown) ? 'VALIDATION_ERROR' : 'SYSTEM_ERROR',
    completed_at: now(),
  };
}

function workflowResult({ task_id, status, error_message, error_code, ...result }: Result) {
  return { task_id, status, result: { task_id, ...result }, error_message, error_code };
}

function now(): string {
  return new Date().toISOString();
}
