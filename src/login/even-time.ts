// Makes an answer take as long whether or not there was anything to do: its time must not tell who has an account.

/** Milliseconds; what is done for an account that is there takes a fraction of it. */
const least = 120

export async function evenly<T>(work: () => Promise<T>): Promise<T> {
  const [result] = await Promise.all([work(), new Promise((done) => setTimeout(done, least))])
  return result
}
