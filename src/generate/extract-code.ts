/**
 * The code of an answer: the first Python block with `ModelNew`, else the longest block; without any block the whole
 * answer where it is a Python file itself. Null where there is none.
 *
 * What a model thinks aloud (`<think>...</think>`) is no answer. A block that the token limit cut off is not taken.
 */
export function extractCode(answer: string, finishReason: string | null): string | null {
  const text = withoutThoughts(answer.replace(/\r\n?/g, '\n'));
  const blocks = fencedBlocks(text).filter((block) => block.closed || finishReason !== 'length');
  const python = blocks.find((block) => /^(?:python|py|python3|)$/.test(block.language) && hasModel(block.code));
  const longest = blocks.reduce<Block | null>(
    (best, block) => (best === null || block.code.length > best.code.length ? block : best),
    null,
  );
  const code = (python ?? longest)?.code ?? (isPythonFile(text) && finishReason !== 'length' ? text : '');
  return code.trim() === '' ? null : `${code.trim()}\n`;
}

interface Block {
  readonly language: string;
  readonly code: string;
  readonly closed: boolean;
}

function withoutThoughts(text: string): string {
  const end = text.lastIndexOf('</think>');
  if (end >= 0) return text.slice(end + '</think>'.length);
  return text.trimStart().startsWith('<think>') ? '' : text;
}

/** Fences as CommonMark has them: at least three backticks or tildes, closed by as many or more of the same. */
function fencedBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  let open: { fence: string; language: string; lines: string[] } | null = null;
  for (const line of text.split('\n')) {
    const fence = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/.exec(line);
    const mark = fence?.[1] ?? '';
    if (open === null) {
      if (mark !== '') open = { fence: mark, language: (fence?.[2] ?? '').toLowerCase(), lines: [] };
    } else if (mark[0] === open.fence[0] && mark.length >= open.fence.length && fence?.[2] === '') {
      blocks.push({ language: open.language, code: open.lines.join('\n'), closed: true });
      open = null;
    } else open.lines.push(line);
  }
  if (open !== null) blocks.push({ language: open.language, code: open.lines.join('\n'), closed: false });
  return blocks;
}

function hasModel(code: string): boolean {
  return /^class\s+ModelNew\b/m.test(code);
}

function isPythonFile(text: string): boolean {
  return hasModel(text) && /^(?:import|from)\s/.test(text.trimStart());
}
