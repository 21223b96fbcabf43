import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cachedDirectory, type SetupContext } from './cache.ts'
import { runMaven } from './java.ts'

/** The Apache Kafka that is installed: broker, controller and Java clients. */
export const KAFKA_VERSION = '4.1.0'

const COPY_DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
const PROGRESS_MS = 5_000

/** The broker, the tools that format its data folder, and the log binding that the artifacts leave out. */
const POM = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>kafka-libs</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
`

/**
 * Returns the folder with Kafka's jars, and downloads them as Maven artifacts (54 MB) the first time.
 * Throws SetupError when Maven is missing or cannot download.
 */
export async function installKafka({ progress, signal }: SetupContext): Promise<string> {
  const fill = async (tempDir: string) => {
    const libsDir = join(tempDir, 'libs')
    mkdirSync(libsDir)
    writeFileSync(join(tempDir, 'pom.xml'), POM)
    progress(`Kafka ${KAFKA_VERSION}: downloading it with Maven (54 MB, first time only)`)
    const startMs = performance.now()
    const ticker = setInterval(() => {
      const seconds = Math.round((performance.now() - startMs) / 1000)
      progress(`Kafka ${KAFKA_VERSION}: still downloading, ${seconds} s`)
    }, PROGRESS_MS)
    try {
      await runMaven(
        `Kafka ${KAFKA_VERSION}`,
        ['-f', join(tempDir, 'pom.xml'), COPY_DEPENDENCIES, `-DoutputDirectory=${libsDir}`],
        { cwd: tempDir, signal },
      )
    } finally {
      clearInterval(ticker)
    }
    rmSync(join(tempDir, 'pom.xml'))
  }
  const directory = await cachedDirectory(`kafka-${KAFKA_VERSION}`, fill, { signal })
  return join(directory, 'libs')
}
