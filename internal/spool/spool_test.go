package spool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

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

// random is what chance decides, the same each time.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

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
	if _, err := spool.OpenDir(path); err == nil || !strings.Contains(err.Error(), "another sidecar") {
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

// A record that was put off comes when nothing else is left, those that were put off first before others.
func TestPutOff(t *testing.T) {
	t.Parallel()
	l, _ := open(t, newMemory(), spool.Options{SegmentBytes: 100})
	for n := range 5 {
		check(t, l.Append([]byte(fmt.Sprint(n))))
	}
	records, err := l.Oldest(10, 1<<20)
	check(t, err)
	for _, n := range []int{0, 3, 0} {
		l.PutOff(records[n])
	}
	if got := all(t, l); !slices.Equal(got, []string{"1", "2", "4"}) {
		t.Errorf("first come %q", got)
	}
	check(t, l.Done(records[1], records[2], records[4]))
	left, err := l.Oldest(10, 1<<20)
	check(t, err)
	if len(left) != 2 || string(left[0].Data) != "3" || string(left[1].Data) != "0" || !left[0].PutOff || !left[1].PutOff || records[0].PutOff {
		t.Errorf("then come %+v", left)
	}
	if first, err := l.Oldest(1, 1<<20); err != nil || len(first) != 1 || string(first[0].Data) != "3" {
		t.Errorf("the first of them is %+v, %v", first, err)
	}
	check(t, l.Append([]byte("new")))
	if got := all(t, l); !slices.Equal(got, []string{"new"}) {
		t.Errorf("what is new comes after them: %q", got)
	}
	check(t, l.Close())
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
	if _, err := spool.OpenDir(folder); err == nil || !strings.Contains(err.Error(), "needs a folder that can be written") {
		t.Errorf("a folder that cannot be written: %v", err)
	}
}

// Whoever appends at the same time shares an fsync, and each is told only after it.
func TestAppendersShareAnFsync(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.fault = func(operation string) error {
		if operation == "sync" {
			time.Sleep(time.Millisecond) // as a disk takes
		}
		return nil
	}
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
	m = m.losePower(random(1))
	again, _ := open(t, m, spool.Options{})
	defer again.Close()
	if got := all(t, again); len(got) != count {
		t.Errorf("%d of %d are there", len(got), count)
	}
}

// A full disk takes nothing, loses nothing, and takes more when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	m := newMemory()
	l, _ := open(t, m, spool.Options{})
	check(t, l.Append([]byte("first")))
	m.set(failing("write", errNoSpace), func(int) int { return 20 })
	if err := l.Append([]byte("second, which has no room")); !errors.Is(err, spool.ErrFull) || errors.Is(err, spool.ErrFailed) {
		t.Errorf("without room: %v", err)
	}
	m.set(nil, nil)
	check(t, l.Append([]byte("third")))
	check(t, l.Close())
	m = m.losePower(random(1))
	again, found := open(t, m, spool.Options{})
	defer again.Close()
	if got := all(t, again); !slices.Equal(got, []string{"first", "third"}) || found.Damaged != 0 {
		t.Errorf("there are %q, found %+v", got, found)
	}
	small, _ := open(t, newMemory(), spool.Options{MaxBytes: 100})
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
	m := newMemory()
	l, _ := open(t, m, spool.Options{})
	check(t, l.Append([]byte("first")))
	m.set(failing("sync", errBroken), nil)
	if err := l.Append([]byte("second")); !errors.Is(err, spool.ErrFailed) {
		t.Errorf("a failed fsync: %v", err)
	}
	m.set(nil, nil)
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
	m = m.losePower(random(1))
	again, _ := open(t, m, spool.Options{})
	defer again.Close()
	if got := all(t, again); len(got) == 0 || got[0] != "first" || len(got) > 2 {
		t.Errorf("the next time there are %q", got)
	}
	check(t, again.Append([]byte("fourth")))
}

// Nobody but the program's user reads what people have said.
func TestNobodyElseReads(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "spool")
	dir, err := spool.OpenDir(path)
	check(t, err)
	defer dir.Close()
	l, _ := open(t, dir, spool.Options{})
	defer l.Close()
	check(t, l.Append([]byte("hello"), []byte("poison")))
	records, err := l.Oldest(2, 1<<20)
	check(t, err)
	check(t, l.SetAside(records[1], "refused"))
	files, err := filepath.Glob(filepath.Join(path, "*"))
	if err != nil || len(files) != 3 {
		t.Errorf("there are %q, %v", files, err)
	}
	for name, want := range map[string]os.FileMode{path: 0o700, files[0]: 0o600, files[1]: 0o600, files[2]: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has the mode %v, %v", name, info.Mode(), err)
		}
	}
	// A command looks at it, and asks, while the program has it.
	if n, err := spool.AskRetry(spool.LookAt(path)); n != 1 || err != nil {
		t.Errorf("asked for %d, %v", n, err)
	}
	if n, err := l.Retry(); n != 1 || err != nil {
		t.Errorf("retried %d, %v", n, err)
	}
}

func TestSetAside(t *testing.T) {
	t.Parallel()
	m := newMemory()
	l, _ := open(t, m, spool.Options{})
	for _, text := range []string{"good", "poison", "good too", "poison too"} {
		check(t, l.Append([]byte(text)))
	}
	records, err := l.Oldest(10, 1<<20)
	check(t, err)
	for _, n := range []int{1, 3} {
		check(t, l.SetAside(records[n], "Postgres refuses it"))
	}
	if got := all(t, l); !slices.Equal(got, []string{"good", "good too"}) || l.Stats().SetAside != 2 {
		t.Errorf("there are %q; it stands as %+v", got, l.Stats())
	}
	_ = l.Close() // in the folder that is gone
	m = m.losePower(random(1))
	l, _ = open(t, m, spool.Options{})
	defer l.Close()
	aside, err := spool.ReadAside(m)
	if err != nil || len(aside) != 2 || string(aside[0].Data) != "poison" || aside[0].Reason != "Postgres refuses it" || aside[0].Seq != 2 || l.Stats().SetAside != 2 {
		t.Errorf("set aside: %+v, %v; it stands as %+v", aside, err, l.Stats())
	}
	before := len(all(t, l)) // those beside the poison come again, with it: nothing says that they were done
	if n, err := l.Retry(); n != 0 || err != nil {
		t.Errorf("retried without being asked: %d, %v", n, err)
	}
	if n, err := spool.AskRetry(m, "no such record"); n != 0 || err != nil {
		t.Errorf("asked for what there is not: %d, %v", n, err)
	}
	for i, ids := range [][]string{{aside[0].ID}, nil} { // one, and then all
		if n, err := spool.AskRetry(m, ids...); n != 1 || err != nil {
			t.Errorf("asked for %d, %v", n, err)
		}
		if n, err := l.Retry(); n != 1 || err != nil {
			t.Errorf("retried: %d, %v", n, err)
		}
		if got := all(t, l); len(got) != before+i+1 || got[len(got)-1] != string(aside[i].Data) || l.Stats().SetAside != int64(1-i) {
			t.Errorf("there are %q; it stands as %+v", got, l.Stats())
		}
	}
	if n, err := l.Retry(); n != 0 || err != nil {
		t.Errorf("retried again: %d, %v", n, err)
	}
}

// FuzzSegment: whatever is in a file, it is read without harm, and what is read was written whole.
func FuzzSegment(f *testing.F) {
	m := newMemory()
	l, _ := open(f, m, spool.Options{})
	for _, text := range []string{"", "a record", strings.Repeat("long ", 100)} {
		check(f, l.Append([]byte(text)))
	}
	check(f, l.Close())
	for _, file := range m.files {
		f.Add(file.data)
		f.Add(file.data[:len(file.data)-3])
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		m := newMemory()
		m.files["0000000000000001.spool"] = &content{data: slices.Clone(bytes), synced: len(bytes)}
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
