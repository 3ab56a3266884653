// Package cache keeps callers at hand, in this process and in Redis where there is one, and keeps
// them true to Postgres. It wraps the directory that package recognize declares and knows nothing
// of webhooks. Redis is never needed for a right answer: without it, slow, or full of rubbish, calls
// are answered the same, only by way of Postgres (rule 18).
//
// It also remembers, for all sidecars on one Redis, what must be decided once a call: the decision
// about its caller, which relay tokens are used up, how its session ended. See [Calls].
//
// # Why the fence is right
//
// The danger of a cache beside a database is the fill in flight: a reader reads the old value, a
// writer commits the new one and drops the entry, and then the reader stores the old value, which
// stays. The fence closes that. In the following, every time is on one clock: Redis' own for
// entries in Redis (the age of a fill is measured there too), the process' monotonic one for
// entries in the process. What clock any machine shows does not matter, nor do times in Postgres' rows; only
// Redis' clock must not be set ahead by seconds just while a writer is about to commit, since Redis ends
// fences by it. Set back, it makes the epoch invalid, or a fence longer.
//
//   - Before it commits, a writer replaces the entry by a fence that lives fenceLife (5 s).
//   - A reader who misses takes the time, then reads Postgres, and stores what it found only if
//     there is neither fence nor entry, and only if its read began less than fillAge (2 s) ago.
//   - A fence is never removed early. It can be put up anew.
//   - A writer commits within 3 s of its fence, or puts it up again (postgres.FencedCommit).
//     What one that has died leaves with Postgres is over by then as well (postgres.FencedSQL).
//
// Let a fence go up at f, the commit happen at c with f ≤ c < f+3, and a reader begin its read at r
// and store at s < r+2. If the read saw the old value then r < c. A store before the fence (s < f)
// is overwritten by it. A store while it stands (f ≤ s < f+5) is refused. A store after it
// (s ≥ f+5) has r > s-2 ≥ f+3 > c: that read began after the commit and saw the new value. So no
// old value is ever stored behind a fence.
//
// Writers other than Ringside put up no fence. Postgres announces what they changed, and the
// listener fences on arrival, at a ≥ c; the same argument holds with f = a, and until a the old
// value may be served: that is a few milliseconds, and bounded, as follows.
//
//   - Entries are believed only while the listener can prove that it has heard of every commit up
//     to 0.8 s ago (postgres.Listener.Current). Otherwise Postgres is asked; only if it does not
//     answer are they served as they are, since an old name beats none.
//   - A listener that has lost its connection may have missed announcements. When it is back it
//     moves the epoch on, before it counts as current: entries carry the epoch they were stored
//     in, and those of an older one are dead. A fill carries the epoch under which its read began
//     and is refused in another.
//   - A change to very many people of one organisation is announced once and moves that
//     organisation's own epoch on.
//   - Epochs are random, and begin with the run id of the Redis server. So a Redis that was
//     flushed, restarted or restored from an older snapshot, and with it has lost fences, has no
//     valid epoch either: a new one is made, and nothing from before is believed.
//   - A fence that could not be put up, because Redis was away, obliges this process to move the
//     epoch on before it believes Redis again, and makes the writer's transaction announce its
//     change, so that sidecars that do reach Redis put the fence up.
//
// An entry is believed for knownLife (10 min; unknownLife for nobody's number) and kept for a day, in case
// Postgres is away when somebody calls again. Since the end of each call fences its caller, whoever has
// called is read again once the fence is gone ([Callers.KeepFresh]).
//
// Beside Redis, an entry is held in the process for processLife (1 s) from the moment its read
// began, since fences of other sidecars do not reach into this one. Without Redis the process'
// entries live long, every write is announced, and the listener's fences keep them true.
package cache
