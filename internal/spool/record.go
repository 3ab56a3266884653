package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A record on the disk: a mark, the length of the data, a checksum of all that follows it, the sequence number, the time
// in nanoseconds, the data. Numbers are little-endian.
const (
	markSize   = 4
	headerSize = markSize + 4 + 4 + 8 + 8
)

// mark begins each record, so that those behind a damaged one can be found. No text in UTF-8 contains it: whatever somebody
// writes in a message, it is not taken for a record.
var mark = []byte{0xFE, 'R', 'S', 0xFF}

// MaxData bounds the data of a record, in bytes.
const MaxData = 16 << 20

var table = crc32.MakeTable(crc32.Castagnoli)

// appendRecord writes a record to the end of b.
func appendRecord(b []byte, r Record) []byte {
	at := len(b)
	b = append(b, mark...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.Data)))
	b = binary.LittleEndian.AppendUint32(b, 0) // the checksum's place
	b = binary.LittleEndian.AppendUint64(b, r.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.At.UnixNano()))
	b = append(b, r.Data...)
	binary.LittleEndian.PutUint32(b[at+8:], checksum(b[at:]))
	return b
}

// checksum is of a whole record but its mark and the checksum itself.
func checksum(record []byte) uint32 {
	sum := crc32.Update(0, table, record[markSize:markSize+4])
	return crc32.Update(sum, table, record[markSize+8:])
}

// readRecord reads the record that b begins with, and returns its size. ok is false if there is no whole one.
func readRecord(b []byte) (r Record, size int, ok bool) {
	if len(b) < headerSize || !bytes.HasPrefix(b, mark) {
		return r, 0, false
	}
	length := binary.LittleEndian.Uint32(b[4:])
	if length > MaxData || int(length) > len(b)-headerSize {
		return r, 0, false
	}
	size = headerSize + int(length)
	if binary.LittleEndian.Uint32(b[8:]) != checksum(b[:size]) {
		return r, 0, false
	}
	return Record{Seq: binary.LittleEndian.Uint64(b[12:]), At: time.Unix(0, int64(binary.LittleEndian.Uint64(b[20:]))), Data: b[headerSize:size:size]}, size, true
}

// entry is where a record is. Its data stays on the disk until it is asked for.
type entry struct {
	seq    uint64
	at     int64 // nanoseconds
	offset int64
	size   int
	turn   uint64 // of those that were put off; 0: it was not
}

// extent is a part of a segment.
type extent struct{ from, to int64 }

// scan reads the records of a segment. damaged are the parts before the last whole record where there is something else, which
// no crash leaves behind what was acknowledged; good is where the last whole record ends.
func scan(segment []byte) (entries []entry, good int64, damaged []extent) {
	for at := 0; at < len(segment); {
		r, size, ok := readRecord(segment[at:])
		if ok {
			entries = append(entries, entry{seq: r.Seq, at: r.At.UnixNano(), offset: int64(at), size: size})
			at += size
			good = int64(at)
			continue
		}
		next := findRecord(segment, at+1)
		if next < 0 {
			break
		}
		damaged = append(damaged, extent{int64(at), int64(next)})
		at = next
	}
	return entries, good, damaged
}

// torn reports whether the end of a segment is what a crash leaves of records that were being written: their
// beginning, or room that was never written to.
func torn(tail []byte) bool {
	if len(bytes.Trim(tail, "\x00")) == 0 {
		return true
	}
	if !bytes.HasPrefix(tail, mark[:min(len(tail), markSize)]) {
		return false
	}
	return len(tail) < headerSize || int64(binary.LittleEndian.Uint32(tail[4:])) > int64(len(tail)-headerSize)
}

// findRecord returns where the next whole record begins, or -1.
func findRecord(segment []byte, from int) int {
	for from < len(segment) {
		i := bytes.Index(segment[from:], mark)
		if i < 0 {
			return -1
		}
		if _, _, ok := readRecord(segment[from+i:]); ok {
			return from + i
		}
		from += i + 1
	}
	return -1
}
