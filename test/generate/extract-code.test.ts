import { describe, expect, it } from 'vitest';
import { extractCode } from '../../src/generate/extract-code.js';

const model = 'import torch\n\nclass ModelNew(torch.nn.Module):\n    pass';

describe('extractCode', () => {
  it.each<[string, string, string | null]>([
    ['a Python block', `Here:\n\`\`\`python\n${model}\n\`\`\`\nDone.`, `${model}\n`],
    ['CRLF', `\`\`\`py\r\n${model.replaceAll('\n', '\r\n')}\r\n\`\`\``, `${model}\n`],
    [
      'the block with the model, not the longer one',
      `\`\`\`cpp\n${'// long\n'.repeat(99)}\`\`\`\n\`\`\`python\n${model}\n\`\`\``,
      `${model}\n`,
    ],
    [
      'the first of two',
      `\`\`\`python\n${model}\n# one\n\`\`\`\n\`\`\`python\n${model}\n# two\n\`\`\``,
      `${model}\n# one\n`,
    ],
    ['the longest where none has the model', '```\na\n```\n```cpp\nint longer;\n```', 'int longer;\n'],
    ['fences inside a longer fence', `\`\`\`\`python\n${model}\n\`\`\`\n\`\`\`\`\n`, `${model}\n\`\`\`\n`],
    ['an unlabelled block', `\`\`\`\n${model}\n\`\`\``, `${model}\n`],
    ['a file without a fence', `${model}\n`, `${model}\n`],
    [
      'thoughts before the answer',
      `<think>\n\`\`\`python\n${model}\n# draft\n\`\`\`\n</think>\n\`\`\`python\n${model}\n\`\`\``,
      `${model}\n`,
    ],
    ['thoughts alone', `<think>\n\`\`\`python\n${model}\n\`\`\``, null],
    ['words', 'I cannot do that. class ModelNew would need a GPU.', null],
    ['an empty block', '```python\n\n```', null],
    ['nothing', '', null],
  ])('takes %s', (_, answer, code) => {
    expect(extractCode(answer, 'stop')).toBe(code);
  });

  it('takes a block that was left open, unless the token limit cut it', () => {
    const open = `\`\`\`python\n${model}`;
    expect(extractCode(open, 'stop')).toBe(`${model}\n`);
    expect(extractCode(open, 'length')).toBeNull();
  });
});
