import { type CallToolResult, McpServer } from '@modelcontextprotocol/server';
import { toKvalError } from '../../errors.js';
import type { Judge } from '../judge.js';
import type { Reply } from '../request.js';
import { callTool, kernelTool, toolArgumentsSchema } from '../tool.js';
import { judgeInTime } from './patience.js';

/** Official clients give up after 60 s. */
const patienceMs = 55_000;

/**
 * A server with the validator as its one tool, made anew for each connection or request. A kernel that fails is a
 * result; `isError` says that the call was not as it must be, or that the instrument failed.
 */
export function mcpServer(judge: Judge, version: string, deadlineMs = patienceMs): McpServer {
  const server = new McpServer({ name: 'kval', version }, { capabilities: { tools: {} } });
  const patient: Judge = {
    ...judge,
    judge: (request, call = {}) => judgeInTime(judge, request, { deadlineMs, ...call }),
  };
  server.registerTool(
    kernelTool.name,
    {
      title: kernelTool.title,
      description: kernelTool.description,
      inputSchema: toolArgumentsSchema,
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    },
    async (given, { mcpReq: { signal } }) => {
      try {
        return resultOf(await callTool(patient, given, { signal }));
      } catch (thrown) {
        const { code, message, fix } = toKvalError(thrown);
        return { isError: true, content: [{ type: 'text', text: `not judged (${code}): ${message}\n${fix}` }] };
      }
    },
  );
  return server;
}

/** Words first, since some clients read only the first block; then the same as JSON. */
function resultOf(reply: Reply): CallToolResult {
  const { feedback, ...facts } = reply;
  return {
    content: [
      { type: 'text', text: feedback },
      { type: 'text', text: JSON.stringify(facts) },
    ],
    structuredContent: { ...reply },
  };
}
