package spool_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringside/internal/spool"
)

// slowRemove holds the first removal of one file up, as a busy disk does.
type slowRemove struct {
	*memory
	name             string
	reached, release chan struct{}
}

func (s *slowRemove) Remove(name string) error {
	if name == s.name && s.release != nil {
		release := s.release
		s.release = nil
		close(s.reached)
		<-release
	}
	return s.memory.Remove(name)
}

// The disk is full just when another file is begun; then the drain finishes, and there is room again. What is
// appended meanwhile must not go away with a file of the same name that the drain removes.
func TestAFileThatIsWrittenAgainIsNotRemoved(t *testing.T) {
	t.Parallel()
	m := newMemory()
	slow := &slowRemove{memory: m, name: "0000000000000002.spool", reached: make(chan struct{}), release: make(chan struct{})}
	release := slow.release
	l, _ := open(t, slow, spool.Options{SegmentBytes: 1}) // a record a file
	check(t, l.Append([]byte("one")))
	m.set(failing("write", errNoSpace), nil)
	if err := l.Append([]byte("two")); !errors.Is(err, spool.ErrFull) { // its file is made and stays empty
		t.Fatal(err)
	}
	m.set(nil, nil)
	records, err := l.Oldest(10, 1<<20)
	check(t, err)
	done := make(chan error, 1)
	go func() { done <- l.Done(records...) }()
	select {
	case <-slow.reached: // about to remove the empty file
	case <-time.After(200 * time.Millisecond):
	}
	check(t, l.Append([]byte("acknowledged")))
	close(release)
	check(t, <-done)
	if got := all(t, l); !slices.Contains(got, "acknowledged") {
		t.Errorf("while it runs there are %q", got)
	}
	check(t, l.Close())
	again, found := open(t, m, spool.Options{})
	defer again.Close()
	if got := all(t, again); !slices.Contains(got, "acknowledged") {
		t.Errorf("an acknowledged record is lost: there are %q, found %+v, stats %+v", got, found, again.Stats())
	}
}

// Records at the head that cannot be read any more must not keep those behind them for ever.
func TestAnUnreadableHeadDoesNotStopTheRest(t *testing.T) {
	t.Parallel()
	m := newMemory()
	l, _ := open(t, m, spool.Options{SegmentBytes: 10_000})
	defer l.Close()
	for n := range 1000 {
		check(t, l.Append([]byte(fmt.Sprint("record ", n))))
	}
	names, _ := m.List()
	m.mu.Lock()
	delete(m.files, names[0]) // or the disk cannot read it: EIO
	m.mu.Unlock()
	got := map[string]bool{}
	failures := 0
	for range 20 {
		records, err := l.Oldest(256, 4<<20)
		if err != nil {
			failures++
		}
		for _, r := range records {
			got[string(r.Data)] = true
		}
		check(t, l.Done(records...))
	}
	if stats := l.Stats(); len(got) < 500 || failures == 0 || failures > 2 || stats.Records != 0 || int(stats.SetAside) != 1000-len(got) {
		t.Errorf("of %d files that are whole %d records come out, with %d failures: %+v", len(names)-1, len(got), failures, stats)
	}
}

// A sidecar that starts on a full disk answers calls, and drains what is there. It needs a small disk, which only an administrator can make.
func TestAFullDiskAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("needs a small disk:", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	path := filepath.Join(dir, "spool")
	folder, err := spool.OpenDir(path)
	check(t, err)
	l, _ := open(t, folder, spool.Options{})
	for {
		if err := l.Append(make([]byte, 1000)); err != nil {
			if !errors.Is(err, spool.ErrFull) {
				t.Fatal(err)
			}
			break
		}
	}
	filler, err := os.Create(filepath.Join(dir, "filler"))
	check(t, err)
	for err == nil {
		_, err = filler.Write(make([]byte, 512))
	}
	filler.Close()
	check(t, l.Close())
	check(t, folder.Close())
	folder, err = spool.OpenDir(path)
	if err != nil {
		t.Fatalf("it does not start again, and its records cannot be drained: %v", err)
	}
	again, _ := open(t, folder, spool.Options{})
	records, err := again.Oldest(10, 1<<20)
	check(t, err)
	check(t, again.Done(records...))
	if len(records) == 0 {
		t.Error("nothing comes out")
	}
	check(t, again.Close())
	check(t, folder.Close())
}

// An unreadable segment (EIO) at the start costs that segment, and not the sidecar.
type unreadable struct {
	*memory
	name string
}

func (u unreadable) Read(name string) ([]byte, error) {
	if name == u.name {
		return nil, syscall.EIO
	}
	return u.memory.Read(name)
}

func TestAnUnreadableSegmentAtStart(t *testing.T) {
	t.Parallel()
	m := newMemory()
	l, _ := open(t, m, spool.Options{SegmentBytes: 1})
	for n := range 5 {
		check(t, l.Append([]byte(fmt.Sprint("record ", n))))
	}
	check(t, l.Close())
	again, found := open(t, unreadable{m, "0000000000000002.spool"}, spool.Options{})
	defer again.Close()
	if got := all(t, again); len(got) != 4 || found.Damaged != 1 || again.Stats().SetAside != 1 {
		t.Errorf("of four good files come %q, found %+v, %+v", got, found, again.Stats())
	}
}

// What a person removes (docs/operations.md) makes room again.
func TestWhatIsRemovedOfWhatWasSetAsideMakesRoom(t *testing.T) {
	t.Parallel()
	m := newMemory()
	l, _ := open(t, m, spool.Options{MaxBytes: 1 << 20})
	defer l.Close()
	for range 3 {
		check(t, l.Append(make([]byte, 200_000)))
		records, err := l.Oldest(1, 1<<20)
		check(t, err)
		check(t, l.SetAside(records[0], "refused"))
	}
	names, _ := m.List()
	for _, name := range names[:2] {
		if strings.HasSuffix(name, ".aside") {
			check(t, m.Remove(name)) // a person has
		}
	}
	_, err := l.Retry()
	check(t, err)
	if got := l.Stats(); got.SetAside != 1 || got.Bytes > 400_000 {
		t.Errorf("one of 270 kB is left, and it stands as %+v", got)
	}
	if err := l.Append(make([]byte, 500_000)); err != nil {
		t.Errorf("there is room: %v", err)
	}
}

// What was whole, and is spoiled, is kept for a person to look at, also at the very end.
func TestASpoiledLastRecordIsSetAside(t *testing.T) {
	t.Parallel()
	m := newMemory()
	l, _ := open(t, m, spool.Options{})
	check(t, l.Append([]byte("one")))
	check(t, l.Append([]byte("two, acknowledged")))
	check(t, l.Close()) // in order: nothing can be torn
	m.files["0000000000000001.spool"].data[60] ^= 1
	again, found := open(t, m, spool.Options{})
	defer again.Close()
	aside, err := spool.ReadAside(m)
	check(t, err)
	if len(aside) != 1 || !strings.Contains(string(aside[0].Data), "acknowledged") || found.Damaged != 1 || found.Cut != 0 {
		t.Errorf("found %+v, set aside %+v", found, aside)
	}
	if got := all(t, again); len(got) != 1 {
		t.Errorf("there are %q", got)
	}
}
