import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { KvalError } from '../errors.js';
import { type OpenaiCalibration, openaiCalibrationId, openaiCalibrationSchema } from './openai-calibration.js';

/** `gtm.json`: marks a folder as a fine-tuned language model, and says what must be known to ask it. */
export const gtmFolderSchema = z.object({
  format: z.literal('kval-gtm'),
  /** The hash of weights and tokenizer. */
  model: z.string(),
  dataset: z.string(),
  /** The device that most rows of its training named, or null. */
  device: z.string().nullable(),
  maxLength: z.int(),
  merged: z.boolean(),
});
export type GtmFolder = z.infer<typeof gtmFolderSchema>;

/** `serving.json`: where an engine serves the model of this folder. Written by `kval simulator serve`. */
export const servingSchema = z.object({ engine: z.string(), baseUrl: z.string(), model: z.string() });
export type Serving = z.infer<typeof servingSchema>;

/** Null where the folder holds another kind of model, or none. */
export async function readGtmFolder(folder: string): Promise<GtmFolder | null> {
  return readJson(join(folder, 'gtm.json'), gtmFolderSchema);
}

export async function openGtmFolder(folder: string): Promise<GtmFolder> {
  const facts = await readGtmFolder(folder);
  if (facts !== null) return facts;
  throw new KvalError('model-missing', `${folder} holds no fine-tuned language model (no gtm.json)`, {
    fix: 'Train one with `kval finetune --recipe gtm-lora --merge`, or name the folder of one with --model.',
  });
}

export async function readServing(folder: string): Promise<Serving | null> {
  return readJson(servingPath(folder), servingSchema);
}

export async function writeServing(folder: string, serving: Serving): Promise<void> {
  await writeFile(servingPath(folder), `${JSON.stringify(serving)}\n`);
}

export function servingPath(folder: string): string {
  return join(folder, 'serving.json');
}

/**
 * The calibration of this model behind this engine; where none was made, that of the fine-tuning, which holds for engines
 * that give log-probabilities.
 */
export async function readOpenaiCalibration(folder: string, engine: string, model: string): Promise<OpenaiCalibration> {
  for (const path of [calibrationPath(folder, engine), join(folder, 'calibration.json')]) {
    const calibration = await readJson(path, openaiCalibrationSchema);
    if (calibration === null) continue;
    if (calibration.model === model && calibration.id === openaiCalibrationId(calibration)) return calibration;
    throw new KvalError('model-invalid', `${path} does not belong to the model beside it`);
  }
  throw new KvalError('model-invalid', `the model in ${folder} has no calibration.json`);
}

export async function writeOpenaiCalibration(folder: string, calibration: OpenaiCalibration): Promise<string> {
  const path = calibrationPath(folder, calibration.engine);
  await writeFile(path, `${JSON.stringify(calibration)}\n`);
  return path;
}

function calibrationPath(folder: string, engine: string): string {
  return join(folder, `calibration-${engine}.json`);
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new KvalError('model-invalid', `${path} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new KvalError('model-invalid', `${path} is damaged: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
