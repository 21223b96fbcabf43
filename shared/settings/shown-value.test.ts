import { expect, test } from 'vitest'
import { shownValue } from './shown-value.ts'

test.each([
  ['http://a:secret@b:1/c', 'http://[hidden]@b:1/c'],
  ['n=http://a:se@cret@b', 'n=http://[hidden]@b'],
  ['http://a:se/c?r#et@b', 'http://[hidden]@b'],
  ['http://a:s@b,https://c:t@d', 'http://[hidden]@b,https://[hidden]@d'],
  ['redis://:secret@', 'redis://[hidden]@'],
  ['http://a:1/b?c=d', 'http://a:1/b?c=d'],
  ['a@b', 'a@b'],
])('%s is shown as %s', (text, shown) => expect(shownValue(text)).toBe(shown))
