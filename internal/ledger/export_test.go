package ledger

// What the tests apply and measure beside the recorder.
var Apply = apply

// The recorder's bounds.
const (
	MaxWaiting      = maxWaiting
	MaxWaitingBytes = maxWaitingBytes
	MaxBatch        = maxBatch
	MaxBatchBytes   = maxBatchBytes
)

// ExpireSQL is what removes what is past its time, by what that is.
func ExpireSQL() map[string]string {
	statements := map[string]string{}
	for _, job := range expireSQL {
		statements[job.what] = job.sql
	}
	return statements
}

// EncodeEvent is an event's way into the spool.
var EncodeEvent = encodeEvent

// Size is what an event counts in a queue.
func (e *Event) Size() int { return e.size() }
