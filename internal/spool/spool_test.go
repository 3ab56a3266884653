package spool_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"ringside/internal/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(tb testing.TB, folder spool.FS, o spool.Options) (*spool.Log, spool.Found) {
	tb.Helper()
	l, found, err := spool.Open(folder, o)
	if err != nil {
		tb.Fatal(err)
	}
	return l, found
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// all is what the log has, as text.
func all(tb testing.TB, l *spool.Log) (texts []string) {
	tb.Helper()
	records, err := l.Oldest(1<<20, 1<<30)
	check(tb, err)
	for _, r := range records {
		texts = append(texts, string(r.Data))
	}
	return texts
}

func TestKeptAndDrained(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "spool")
	dir, err := spool.OpenDir(path)
	check(t, err)
	if _, err := spool.OpenDir(path); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a second program has the folder: %v", err)
	}
	l, _ := open(t, dir, spool.Options{SegmentBytes: 200})
	var want []string
	for n := range 20 {
		text := fmt.Sprint("record ", n)
		check(t, l.Append([]byte(text)))
		want = append(want, text)
	}
	check(t, l.Append(nil))
	if got := all(t, l); !slices.Equal(got, append(want, "")) {
		t.Errorf("there are %q", got)
	}
	few, err := l.Oldest(3, 1<<20)
	if err != nil || len(few) != 3 || string(few[0].Data) != "record 0" {
		t.Errorf("the oldest are %v, %v", few, err)
	}
	if one, _ := l.Oldest(10, 1); len(one) != 1 {
		t.Errorf("of one byte there are %d", len(one))
	}
	check(t, l.Done(few...))
	stats := l.Stats()
	if stats.Records != 18 || stats.Failed != nil || stats.Oldest.IsZero() || stats.Bytes == 0 {
		t.Errorf("it stands as %+v", stats)
	}
	check(t, l.Close())
	if err := l.Append([]byte("late")); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	check(t, dir.Close())

	dir, err = spool.OpenDir(path)
	check(t, err)
	defer dir.Close()
	again, found := open(t, dir, spool.Options{SegmentBytes: 200})
	got := all(t, again)
	if tail := append(want[3:], ""); len(got) < len(tail) || !slices.Equal(got[len(got)-len(tail):], tail) || found.Cut+found.Damaged != 0 {
		t.Errorf("the next time there are %q, found %+v", got, found)
	}
	records, err := again.Oldest(100, 1<<20)
	check(t, err)
	check(t, again.Done(records...))
	if stats := again.Stats(); stats.Records != 0 || stats.Bytes != 0 || !stats.Oldest.IsZero() {
		t.Errorf("drained it stands as %+v", stats)
	}
	if names, _ := dir.List(); len(names) != 0 {
		t.Errorf("left are %q", names)
	}
	check(t, again.Append([]byte("more")))
	if got := all(t, again); !slices.Equal(got, []string{"more"}) {
		t.Errorf("afterwards there are %q", got)
	}
	check(t, again.Close())
}

func TestFoldersThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o600))
	if _, err := spool.OpenDir(filepath.Join(file, "spool")); err == nil {
		t.Error("a folder in a file is opened")
	}
	if os.Getuid() == 0 {
		return // may write anywhere
	}
	folder := filepath.Join(t.TempDir(), "spool")
	check(t, os.Mkdir(folder, 0o500))
	if _, err := spool.OpenDir(folder); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("a folder that cannot be written: %v", err)
	}
}

// Whoever appends at the same time shares an fsync, and each is told only after it.
func TestAppendersShareAnFsync(t *testing.T) {
	t.Parallel()
	m := newMemory(rand.New(rand.NewPCG(1, 1)))
	m.slow = time.Millisecond
	l, _ := open(t, m, spool.Options{})
	var appenders sync.WaitGroup
	const count = 2000
	for n := range count {
		appenders.Go(func() {
			if err := l.Append([]byte(fmt.Sprint(n))); err != nil {
				t.Error(err)
			}
		})
	}
	appenders.Wait()
	check(t, l.Close())
	if m.syncs >= count/2 {
		t.Errorf("%d records took %d fsyncs", count, m.syncs)
	}
	m.crash()
	again, _ := open(t, m, spool.Options{})
	defer again.Close()
	if got := all(t, again); len(got) != count {
		t.Errorf("%d of %d are there", len(got), count)
	}
}

// A full disk takes nothing, loses nothing, and takes more when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	m := newMemory(rand.New(rand.NewPCG(1, 2)))
	l, _ := open(t, m, spool.Options{})
	check(t, l.Append([]byte("first")))
	m.room = 20
	if err := l.Append([]byte("second, which has no room")); !errors.Is(err, spool.ErrFull) || errors.Is(err, spool.ErrFailed) {
		t.Errorf("without room: %v", err)
	}
	m.room = -1
	check(t, l.Append([]byte("third")))
	check(t, l.Close())
	m.crash()
	again, found := open(t, m, spool.Options{})
	defer again.Close()
	if got := all(t, again); !slices.Equal(got, []string{"first", "third"}) || found.Damaged != 0 {
		t.Errorf("there are %q, found %+v", got, found)
	}
	small, _ := open(t, newMemory(rand.New(rand.NewPCG(1, 3))), spool.Options{MaxBytes: 100})
	defer small.Close()
	check(t, small.Append(make([]byte, 50)))
	if err := small.Append(make([]byte, 50)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("past the bound: %v", err)
	}
	if err := small.Append(make([]byte, spool.MaxData+1)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("too large: %v", err)
	}
}

// A failed fsync is never tried again: nothing more is taken, until the next start.
func TestFailedFsync(t *testing.T) {
	t.Parallel()
	m := newMemory(rand.New(rand.NewPCG(1, 4)))
	l, _ := open(t, m, spool.Options{})
	check(t, l.Append([]byte("first")))
	m.faulty = true
	if err := l.Append([]byte("second")); !errors.Is(err, spool.ErrFailed) {
		t.Errorf("a failed fsync: %v", err)
	}
	m.faulty = false
	syncs := m.syncs
	for range 3 {
		if err := l.Append([]byte("third")); !errors.Is(err, spool.ErrFailed) {
			t.Errorf("afterwards: %v", err)
		}
	}
	if m.syncs != syncs || l.Stats().Failed == nil {
		t.Errorf("it was tried again, or %+v", l.Stats())
	}
	if got := all(t, l); !slices.Equal(got, []string{"first"}) {
		t.Errorf("there are %q", got)
	}
	_ = l.Close() // it has failed
	m.crash()
	again, _ := open(t, m, spool.Options{})
	defer again.Close()
	if got := all(t, again); len(got) == 0 || got[0] != "first" || len(got) > 2 {
		t.Errorf("the next time there are %q", got)
	}
	check(t, again.Append([]byte("fourth")))
}

// What a disk spoils in the middle costs that record, and no other.
func TestDamage(t *testing.T) {
	t.Parallel()
	m := newMemory(rand.New(rand.NewPCG(1, 5)))
	l, _ := open(t, m, spool.Options{})
	for _, text := range []string{"one", "two", "three RS\xe1\x9b four", "five"} {
		check(t, l.Append([]byte(text)))
	}
	check(t, l.Close())
	for name := range maps.Clone(m.files) {
		m.files[name].data[45] ^= 1 // within the second record
	}
	again, found := open(t, m, spool.Options{})
	defer again.Close()
	if got := all(t, again); !slices.Equal(got, []string{"one", "three RS\xe1\x9b four", "five"}) || found.Damaged != 1 || found.Cut != 0 {
		t.Errorf("there are %q, found %+v", got, found)
	}
	for name := range m.files {
		m.files[name].data[len(m.files[name].data)-1] ^= 1 // while it runs
	}
	records, err := again.Oldest(10, 1<<20)
	if len(records) != 2 || err == nil {
		t.Errorf("read %d records, %v", len(records), err)
	}
}

func TestSetAside(t *testing.T) {
	t.Parallel()
	m := newMemory(rand.New(rand.NewPCG(1, 6)))
	l, _ := open(t, m, spool.Options{})
	for _, text := range []string{"good", "poison", "good too"} {
		check(t, l.Append([]byte(text)))
	}
	records, err := l.Oldest(10, 1<<20)
	check(t, err)
	check(t, l.SetAside(records[1], "Postgres refuses it"))
	if got := all(t, l); !slices.Equal(got, []string{"good", "good too"}) {
		t.Errorf("there are %q", got)
	}
	m.crash()
	aside, err := spool.ReadAside(m)
	if err != nil || len(aside) != 1 || string(aside[0].Data) != "poison" || aside[0].Reason != "Postgres refuses it" || aside[0].Seq != 2 {
		t.Errorf("set aside: %+v, %v", aside, err)
	}
	if n, err := l.Retry(); n != 0 || err != nil {
		t.Errorf("retried without being asked: %d, %v", n, err)
	}
	check(t, spool.AskRetry(m))
	if n, err := l.Retry(); n != 1 || err != nil {
		t.Errorf("retried: %d, %v", n, err)
	}
	if got := all(t, l); !slices.Equal(got, []string{"good", "good too", "poison"}) {
		t.Errorf("there are %q", got)
	}
	if aside, err := spool.ReadAside(m); err != nil || len(aside) != 0 {
		t.Errorf("still aside: %+v, %v", aside, err)
	}
	if n, err := l.Retry(); n != 0 || err != nil {
		t.Errorf("retried again: %d, %v", n, err)
	}
	check(t, l.Close())
}

// Whatever is appended, drained, crashed and started again, in whatever order: what was acknowledged and is not done is there,
// once, in order; what was never appended is not.
func TestSpoolProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		options := spool.Options{SegmentBytes: rapid.Int64Range(1, 300).Draw(t, "segment")}
		l, _, err := spool.Open(m, options)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }() // it may have failed
		var acknowledged, appended []string
		done := map[string]bool{}
		n := 0
		look := func() {
			records, err := l.Oldest(1<<20, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			seen := map[string]bool{}
			for _, r := range records {
				text := string(r.Data)
				if !slices.Contains(appended, text) || seen[text] {
					t.Fatalf("%q was never appended, or is there twice", text)
				}
				seen[text] = true
				if slices.Contains(acknowledged, text) && !done[text] {
					got = append(got, text)
				}
			}
			var want []string
			for _, text := range acknowledged {
				if !done[text] {
					want = append(want, text)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("there are %q, want %q", got, want)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				for range rapid.IntRange(1, 5).Draw(t, "count") {
					n++
					text := fmt.Sprint(n, strings.Repeat("x", rapid.IntRange(0, 80).Draw(t, "length")))
					appended = append(appended, text)
					if l.Append([]byte(text)) == nil {
						acknowledged = append(acknowledged, text)
					}
				}
			},
			"drain": func(t *rapid.T) {
				records, err := l.Oldest(rapid.IntRange(1, 6).Draw(t, "count"), 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if err := l.Done(records...); err != nil {
					t.Fatal(err)
				}
				for _, r := range records {
					done[string(r.Data)] = true
				}
			},
			"full": func(t *rapid.T) { m.room = rapid.IntRange(0, 60).Draw(t, "room") },
			"room": func(*rapid.T) { m.room = -1 },
			"crash": func(t *rapid.T) {
				m.faulty = rapid.Bool().Draw(t, "faulty")
				if m.faulty {
					n++
					text := fmt.Sprint(n, "lost")
					appended = append(appended, text)
					if l.Append([]byte(text)) == nil {
						t.Fatal("acknowledged without an fsync")
					}
				}
				m.crash()
				_ = l.Close() // nobody would after a power loss: it ends the goroutine
				m.crash()
				if l, _, err = spool.Open(m, options); err != nil {
					t.Fatal(err)
				}
			},
			"": func(*rapid.T) { look() },
		})
	})
}

// FuzzSegment: whatever is in a file, it is read without harm, and what is read was written whole.
func FuzzSegment(f *testing.F) {
	m := newMemory(rand.New(rand.NewPCG(1, 7)))
	l, _ := open(f, m, spool.Options{})
	for _, text := range []string{"", "a record", strings.Repeat("long ", 100)} {
		check(f, l.Append([]byte(text)))
	}
	check(f, l.Close())
	for _, file := range m.files {
		f.Add(file.data)
		f.Add(file.data[:len(file.data)-3])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		m := newMemory(rand.New(rand.NewPCG(1, 8)))
		m.files["0000000000000001.spool"] = &memoryFile{data: slices.Clone(content), synced: len(content)}
		l, found := open(t, m, spool.Options{})
		defer l.Close()
		if got := all(t, l); len(got) != found.Records {
			t.Errorf("%d records, found %+v", len(got), found)
		}
		check(t, l.Append([]byte("more")))
		if got := all(t, l); got[len(got)-1] != "more" {
			t.Errorf("the last is %q", got[len(got)-1])
		}
	})
}
