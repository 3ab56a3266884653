package sheet

import "bytes"

// delimiters are the candidates, the likeliest first.
var delimiters = []byte{',', ';', '\t', '|'}

// sampled is how many rows are looked at to find the delimiter.
const sampled = 50

// announcedDelimiter returns the delimiter that a first line such as sep=; announces, which Excel
// understands and some programs write, and the length of that line; 0 if there is none.
func announcedDelimiter(block []byte) (delimiter byte, length int) {
	const key = "sep="
	line := block
	end := len(block)
	if i := bytes.IndexAny(block, "\r\n"); i >= 0 {
		line, end = block[:i], endOfLine(block, i, true)
	}
	if len(line) > 2 && line[0] == '"' && line[len(line)-1] == '"' {
		line = line[1 : len(line)-1]
	}
	if len(line) != len(key)+1 || !bytes.EqualFold(line[:len(key)], []byte(key)) {
		return 0, 0
	}
	delimiter = line[len(key)]
	if delimiter != '\t' && (delimiter <= ' ' || delimiter >= 0x7F) || delimiter == '"' {
		return 0, 0
	}
	return delimiter, end
}

// findDelimiter returns what the first rows of a text are best divided by: what makes a line of
// column names of which the needed ones are known; then what gives the rows as many cells as there
// are columns; then what gives the most columns. whole says that the block is the whole text.
func findDelimiter(block []byte, whole bool) byte {
	best, bestScore := delimiters[0], 0
	for _, delimiter := range delimiters {
		if score := newSplitter(delimiter).score(block, whole); score > bestScore {
			best, bestScore = delimiter, score
		}
	}
	return best
}

// score says how well the splitter's delimiter suits a block: 0 if it does not occur in the header.
func (s *splitter) score(block []byte, whole bool) int {
	var (
		rec                    record
		columns, rows, fitting int
		known                  bool
	)
	for rows < sampled && len(block) > 0 {
		n, v := s.split(block, whole, &rec)
		if v == torn {
			n, v = s.splitLine(block, whole, 0, &rec)
		}
		if v == short {
			break
		}
		block = block[n:]
		if len(bytes.TrimSpace(rec.text)) == 0 {
			continue
		}
		if columns == 0 {
			if columns = len(rec.ends); columns < 2 {
				return 0
			}
			var tally Tally
			h, _ := readHeader(rec.cells(nil, &tally), nil)
			known = h.missing() == ""
			continue
		}
		rows++
		if len(rec.ends) == columns {
			fitting++
		}
	}
	score := 1
	if columns < 2 {
		return 0
	}
	if known {
		score += 1 << 20
	}
	if rows > 0 {
		score += fitting * 100 / rows << 10
	}
	return score + min(columns, 1<<10-1)
}
