import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { murmur2, partitionForKey } from '../../proxy-node/services/partitioner.ts'
import { runJava } from '../support/java-client.ts'

const javaPartitioner = `
import java.io.*;
import java.util.Base64;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.utils.Utils;
public class Partitions {
  public static void main(String[] args) throws IOException {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    StringBuilder out = new StringBuilder();
    for (String line; (line = in.readLine()) != null; ) {
      String[] parts = line.split(" ", 2);
      byte[] key = Base64.getDecoder().decode(parts[1]);
      out.append(Utils.murmur2(key)).append(' ')
          .append(BuiltInPartitioner.partitionForKey(key, Integer.parseInt(parts[0]))).append('\\n');
    }
    System.out.print(out);
  }
}
`

test('keys go to the partitions that the Java client chooses', async () => {
  const keys = Array.from({ length: 5000 }, (_, index) => ({
    key: index < 40 ? Buffer.alloc(index, 0xff) : randomBytes(index % 67),
    count: 1 + ((index * 7919) % 1000),
  }))
  const input = keys.map(({ key, count }) => `${count} ${key.toString('base64')}`).join('\n')
  const output = await runJava('Partitions', javaPartitioner, { input: `${input}\n` })
  const java = output.trim().split('\n')
  expect(java).toHaveLength(keys.length)
  expect(keys.map(({ key, count }) => `${murmur2(key)} ${partitionForKey(key, count)}`)).toEqual(java)
})
