package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const lockPoll = 20 * time.Millisecond

// fileLock is an advisory lock (flock) on a file that is never removed. The kernel frees it when
// its holder ends, however it ends.
type fileLock struct{ file *os.File }

func openLock(path string) (*fileLock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	return &fileLock{file: file}, nil
}

// lockExclusively waits until nobody else holds the lock.
func (l *fileLock) lockExclusively(ctx context.Context) error { return l.wait(ctx, syscall.LOCK_EX) }

// share waits until nobody holds the lock exclusively.
func (l *fileLock) share(ctx context.Context) error { return l.wait(ctx, syscall.LOCK_SH) }

// wait polls, because a blocked flock cannot be interrupted.
func (l *fileLock) wait(ctx context.Context, how int) error {
	for {
		locked, err := l.try(how)
		if locked || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another process to release %s: %w", l.file.Name(), ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// tryExclusively takes the lock if nobody else has it. A share that this fileLock held is lost
// either way.
func (l *fileLock) tryExclusively() (bool, error) { return l.try(syscall.LOCK_EX) }

func (l *fileLock) try(how int) (bool, error) {
	for {
		err := syscall.Flock(int(l.file.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, fmt.Errorf("lock %s: %w", l.file.Name(), err)
		}
	}
}

// release frees the lock and closes the file.
func (l *fileLock) release() error { return l.file.Close() }

// unlock frees the lock; it can be taken again.
func (l *fileLock) unlock() error {
	if err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN); err != nil {
		return fmt.Errorf("unlock %s: %w", l.file.Name(), err)
	}
	return nil
}
