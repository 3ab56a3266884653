package webhook

import (
	"sync"
	"time"
)

// notice lets something be logged at most once in a while for each subject.
type notice struct {
	every time.Duration
	mu    sync.Mutex
	last  map[string]time.Time
}

func newNotice(every time.Duration) *notice {
	return &notice{every: every, last: map[string]time.Time{}}
}

// due reports whether subject should be logged now.
func (n *notice) due(subject string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if now.Sub(n.last[subject]) < n.every {
		return false
	}
	if len(n.last) > 1000 { // forged subjects must not fill the memory
		clear(n.last)
	}
	n.last[subject] = now
	return true
}
