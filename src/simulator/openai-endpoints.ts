import { APIError } from 'openai';
import { KvalError, toKvalError } from '../errors.js';
import { type Endpoint, type EndpointOptions, openEndpoint } from './openai-endpoint.js';

/** One of several engines that serve the same model. */
interface Engine {
  readonly baseUrl: string;
  /** Null while it is set aside. */
  endpoint: Endpoint | null;
  inFlight: number;
  failure: KvalError | null;
  /** When a failing engine is probed again, and how long it then rests if it still fails. */
  probeAt: number;
  restMs: number;
  probing: Promise<void> | null;
}

const firstRestMs = 1_000;
const lastRestMs = 30_000;

/**
 * The engines behind addresses that commas part, as one: a prompt goes to the one with the fewest in flight. One that
 * fails is set aside, its prompt asked elsewhere, and probed again after a rest that grows to half a minute. Throws
 * `endpoint-failed` where none answers, and `model-invalid` where they are not of one kind.
 */
export async function openEndpoints(options: EndpointOptions): Promise<Endpoint> {
  const addresses = options.baseUrl
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
  if (addresses.length < 2) return openEndpoint(options);
  const { signal, ...lasting } = options;
  const engines = addresses.map(
    (baseUrl): Engine => ({
      baseUrl,
      endpoint: null,
      inFlight: 0,
      failure: null,
      probeAt: 0,
      restMs: firstRestMs,
      probing: null,
    }),
  );
  /** The first that answered: the others must be like it. */
  let first: Endpoint | null = null;
  await Promise.all(engines.map((engine) => probe(engine, options)));
  signal?.throwIfAborted();
  first = engines.find(({ endpoint }) => endpoint !== null)?.endpoint ?? null;
  if (first === null) throw noneAnswers(engines);
  for (const { endpoint, baseUrl } of engines) if (endpoint !== null) sameKind(endpoint, first, baseUrl);

  function probe(engine: Engine, how: Omit<EndpointOptions, 'signal'>): Promise<void> {
    engine.probing ??= openEndpoint({ ...how, baseUrl: engine.baseUrl, retries: how.retries ?? 0 })
      .then((endpoint) => {
        if (first !== null) sameKind(endpoint, first, engine.baseUrl);
        Object.assign(engine, { endpoint, failure: null, restMs: firstRestMs });
      })
      .catch((thrown: unknown) => setAside(engine, toKvalError(thrown)))
      .finally(() => {
        engine.probing = null;
      });
    return engine.probing;
  }

  const ask: Endpoint['ask'] = async (messages, schema, asked) => {
    for (;;) {
      const resting = engines.filter(({ endpoint, probeAt }) => endpoint === null && probeAt <= Date.now());
      const probes = resting.map((engine) => probe(engine, lasting));
      if (leastLoaded(engines) === undefined) await Promise.all(probes);
      const engine = leastLoaded(engines);
      if (engine?.endpoint == null) throw noneAnswers(engines);
      engine.inFlight += 1;
      try {
        return await engine.endpoint.ask(messages, schema, asked);
      } catch (thrown) {
        const error = toKvalError(thrown);
        if (!isOfTheEngine(error)) throw error;
        setAside(engine, error);
      } finally {
        engine.inFlight -= 1;
      }
    }
  };
  return { model: first.model, abilities: first.abilities, ask };
}

function leastLoaded(engines: readonly Engine[]): Engine | undefined {
  return engines
    .filter(({ endpoint }) => endpoint !== null)
    .reduce<Engine | undefined>(
      (best, one) => (best === undefined || one.inFlight < best.inFlight ? one : best),
      undefined,
    );
}

function setAside(engine: Engine, failure: KvalError): void {
  // Of many prompts that fail at once, only the first says that it failed again.
  if (engine.endpoint === null && engine.probing === null) return;
  Object.assign(engine, {
    endpoint: null,
    failure,
    probeAt: Date.now() + engine.restMs,
    restMs: Math.min(2 * engine.restMs, lastRestMs),
  });
}

/** A prompt that the engine refuses would be refused by the others too. */
function isOfTheEngine({ code, cause }: KvalError): boolean {
  if (code !== 'endpoint-failed') return false;
  const status = cause instanceof APIError ? (cause.status ?? 500) : 500;
  return status >= 500 || [401, 403, 404, 408, 409, 429].includes(status);
}

/** One calibration holds for all of them, so they must give the same. */
function sameKind(endpoint: Endpoint, first: Endpoint, baseUrl: string): void {
  if (endpoint.model === first.model && endpoint.abilities.logprobs === first.abilities.logprobs) return;
  throw new KvalError('model-invalid', `the engine at ${baseUrl} is not of the kind of the others`, {
    fix: 'Serve the same model under the same name with the same engine at every address.',
  });
}

function noneAnswers(engines: readonly Engine[]): KvalError {
  const [failure] = engines.flatMap((engine) => engine.failure ?? []);
  const why = failure === undefined ? 'all rest after a failure' : failure.message;
  return new KvalError('endpoint-failed', `none of ${engines.length} engines answers; the first: ${why}`, {
    cause: failure,
    retry: true,
  });
}
