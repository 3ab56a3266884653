package spool_test

import (
	"errors"
	"fmt"
	"maps"
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
	if strings.HasPrefix(name, strings.TrimSuffix(u.name, ".spool")) { // under whatever name
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

// What a disk spoils in the middle costs that record, and no other.
func TestDamage(t *testing.T) {
	t.Parallel()
	m := newMemory()
	l, _ := open(t, m, spool.Options{})
	for _, text := range []string{"one", "two", "three \xfeRS\xff four", "five"} {
		check(t, l.Append([]byte(text)))
	}
	check(t, l.Close())
	for name := range maps.Clone(m.files) {
		m.files[name].data[45] ^= 1 // within the second record
	}
	again, found := open(t, m, spool.Options{})
	defer again.Close()
	if got := all(t, again); !slices.Equal(got, []string{"one", "three \xfeRS\xff four", "five"}) || found.Damaged != 1 || found.Cut != 0 {
		t.Errorf("there are %q, found %+v", got, found)
	}
	if aside, err := spool.ReadAside(m); err != nil || len(aside) != 1 || !strings.Contains(string(aside[0].Data), "t") || aside[0].Seq != 0 {
		t.Errorf("what is damaged is not set aside: %+v, %v", aside, err)
	}
	for name, file := range m.files {
		if strings.HasSuffix(name, ".spool") {
			file.data[len(file.data)-1] ^= 1 // while it runs
		}
	}
	records, err := again.Oldest(10, 1<<20)
	if len(records) != 2 || err == nil {
		t.Errorf("read %d records, %v", len(records), err)
	}
}

// What is left of a file in the middle that cannot be read is set aside, and is no torn tail: nothing may be taken for never acknowledged there.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(file []byte)
		want  []string
	}{
		{"all of it", func(file []byte) { clear(file) }, []string{"three", "four", "five"}},
		{"its end", func(file []byte) { clear(file[len(file)-10:]) }, []string{"one", "three", "four", "five"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			l, _ := open(t, m, spool.Options{SegmentBytes: 50}) // two records a file
			for _, text := range []string{"one", "two", "three", "four", "five"} {
				check(t, l.Append([]byte(text)))
			}
			check(t, l.Close())
			tt.spoil(m.files["0000000000000001.spool"].data)
			for range 2 { // the second time it is the same
				again, found := open(t, m, spool.Options{SegmentBytes: 50})
				if got := all(t, again); !slices.Equal(got, tt.want) || found.Cut != 0 {
					t.Errorf("there are %q, found %+v", got, found)
				}
				if aside, err := spool.ReadAside(m); err != nil || len(aside) != 1 || aside[0].Reason == "" || again.Stats().SetAside != 1 {
					t.Errorf("set aside: %+v, %v", aside, err)
				}
				check(t, again.Close())
			}
		})
	}
}

// Any failure but a full disk ends it: what is on the disk is not known any more.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		operation string
		err       error
		want      error
	}{
		{"write", errBroken, spool.ErrFailed},
		{"create", errBroken, spool.ErrFailed},
		{"sync dir", errBroken, spool.ErrFailed},
		{"sync", errNoSpace, spool.ErrFailed},
		{"write", errNoSpace, spool.ErrFull},
		{"create", errNoSpace, spool.ErrFull},
	} {
		t.Run(tt.operation+" "+tt.err.Error(), func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			l, _ := open(t, m, spool.Options{SegmentBytes: 1}) // a record a file
			defer l.Close()
			check(t, l.Append([]byte("before")))
			m.set(failing(tt.operation, tt.err), func(n int) int { return n / 2 })
			if err := l.Append([]byte("meanwhile")); !errors.Is(err, tt.want) {
				t.Errorf("append: %v, want %v", err, tt.want)
			}
			m.set(nil, nil)
			if err := l.Append([]byte("after")); tt.want == spool.ErrFull && err != nil || tt.want == spool.ErrFailed && !errors.Is(err, spool.ErrFailed) {
				t.Errorf("append afterwards: %v", err)
			}
			if got := all(t, l); got[0] != "before" {
				t.Errorf("there are %q", got)
			}
		})
	}
}
