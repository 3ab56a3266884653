package ledger

import "sync/atomic"

// Bounds of a queue and of a batch. They are in bytes too, since a transcript may be a thousand
// times as long as a status.
const (
	maxWaiting      = 20_000
	maxWaitingBytes = 64 << 20
	maxBatch        = 256
	maxBatchBytes   = 4 << 20
)

// pending is an event that is not written yet.
type pending struct {
	event *Event
	bytes int
	// result receives the outcome once; nil for an event that nobody waits for.
	result chan error
	// spooled: the event is kept elsewhere, and will be written from there.
	spooled atomic.Bool
}

// queue holds events in the order in which they came.
type queue struct {
	events []*pending
	bytes  int
}

// push adds an event at the end. It reports false if there is no room.
func (q *queue) push(p *pending) bool {
	if len(q.events) >= maxWaiting || q.bytes+p.bytes > maxWaitingBytes {
		return false
	}
	q.events = append(q.events, p)
	q.bytes += p.bytes
	return true
}

// moveTo moves events from the head of the queue to a batch until it has as many as it may. An event that is
// larger than a whole batch goes by itself.
func (q *queue) moveTo(batch []*pending, most int) []*pending {
	bytes := 0
	for _, p := range batch {
		bytes += p.bytes
	}
	moved := 0
	for _, p := range q.events {
		if p.spooled.Load() {
			q.events[moved] = nil
			q.bytes -= p.bytes
			moved++
			continue
		}
		if len(batch) >= most || len(batch) > 0 && bytes+p.bytes > maxBatchBytes {
			break
		}
		batch = append(batch, p)
		bytes += p.bytes
		q.events[moved] = nil // the rest of the array lives on
		q.bytes -= p.bytes
		moved++
	}
	q.events = q.events[moved:]
	return batch
}

// size is roughly what an event takes up, in bytes.
func (e *Event) size() int {
	const fixed = 500
	size := fixed + len(e.Text) + len(e.Summary) + len(e.Recognition) + len(e.Note) + len(e.Detail) + len(e.Announce.payload())
	for _, file := range e.Media {
		size += len(file.URL) + len(file.Type)
	}
	if e.Transcript != nil {
		const perLine = 80
		for _, line := range e.Transcript.Lines {
			size += perLine + len(line.Text)
		}
	}
	return size
}
