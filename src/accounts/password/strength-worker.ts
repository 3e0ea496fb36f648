// Scores passwords by zxcvbn, in a thread of its own: some take 150 ms, in which a server would answer nobody.
import { parentPort } from 'node:worker_threads'
import * as zxcvbn from '@zxcvbn-ts/core'
import * as common from '@zxcvbn-ts/language-common'
import * as english from '@zxcvbn-ts/language-en'

/** One at a time; the answer is the score, 0 to 4. */
export interface StrengthQuestion {
  password: string
  words: readonly string[]
}

const scorer = new zxcvbn.ZxcvbnFactory({
  dictionary: { ...common.dictionary, ...english.dictionary },
  graphs: common.adjacencyGraphs,
})

parentPort?.on('message', ({ password, words }: StrengthQuestion) =>
  parentPort?.postMessage(scorer.check(password, [...words]).score),
)
