package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
)

const saltBytes = 16

var commitments = []string{"principal", "source", "digest", "context", "destinationContext", "resource"}

// opened is a pair of salt, in base64, and value.
type opened []string

type record struct {
	index     int64
	logID     string
	time      string
	committed map[string]string
	items     *struct {
		Count  int    `json:"count"`
		Failed int    `json:"failed"`
		Root   string `json:"root"`
	}
	redaction *struct {
		From int64 `json:"from"`
		To   int64 `json:"to"`
	}
}

// readRecord takes what the verification of a log needs. Whether a record has the canonical form is src/'s to check.
func readRecord(entry []byte) (*record, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(entry, &fields); err != nil {
		return nil, err
	}
	read := &record{committed: map[string]string{}}
	targets := map[string]any{"index": &read.index, "logId": &read.logID, "time": &read.time}
	for name, target := range targets {
		if err := json.Unmarshal(fields[name], target); err != nil {
			return nil, fmt.Errorf("`%s`: %w", name, err)
		}
	}
	optional := map[string]any{"items": &read.items, "redaction": &read.redaction}
	for name, target := range optional {
		if raw, ok := fields[name]; ok {
			if err := json.Unmarshal(raw, target); err != nil {
				return nil, fmt.Errorf("`%s`: %w", name, err)
			}
		}
	}
	for _, name := range commitments {
		if raw, ok := fields[name]; ok {
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, fmt.Errorf("`%s`: %w", name, err)
			}
			read.committed[name] = text
		}
	}
	return read, nil
}

// open holds openings against the record's commitments, and says whether all of them are there.
func (r *record) open(openings map[string]opened, items []opened) (bool, error) {
	whole := true
	for name := range openings {
		if _, ok := r.committed[name]; !ok {
			return false, fmt.Errorf("`%s` is opened and was not committed to", name)
		}
	}
	for name, commitment := range r.committed {
		pair, ok := openings[name]
		if !ok {
			whole = false
			continue
		}
		salt, value, err := pair.parts()
		if err != nil {
			return false, fmt.Errorf("`%s`: %w", name, err)
		}
		covered, err := coveredBytes(name, value)
		if err != nil {
			return false, fmt.Errorf("`%s`: %w", name, err)
		}
		hash := sha256.Sum256(append(salt, covered...))
		if base64.StdEncoding.EncodeToString(hash[:]) != commitment {
			return false, fmt.Errorf("`%s` is not what was committed to", name)
		}
	}
	if items == nil {
		return whole && r.items == nil, nil
	}
	return whole, r.openItems(items)
}

func (r *record) openItems(items []opened) error {
	if r.items == nil || r.items.Count != len(items) {
		return errors.New("there are more or fewer items than in the record")
	}
	tree := trees.NewEmptyRange(0)
	failed := 0
	for position, pair := range items {
		salt, text, err := pair.parts()
		if err != nil {
			return err
		}
		var item struct {
			Position int    `json:"position"`
			Outcome  string `json:"outcome"`
		}
		if err := json.Unmarshal([]byte(text), &item); err != nil {
			return err
		}
		if item.Position != position {
			return fmt.Errorf("item %d stands at the wrong place", position)
		}
		if item.Outcome != "OK" {
			failed++
		}
		if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(append(salt, text...)), nil); err != nil {
			return err
		}
	}
	root, err := tree.GetRootHash(nil)
	if err != nil {
		return err
	}
	if base64.StdEncoding.EncodeToString(root) != r.items.Root || failed != r.items.Failed {
		return errors.New("the items are not those that were committed to")
	}
	return nil
}

func (pair opened) parts() (salt []byte, value string, err error) {
	if len(pair) != 2 {
		return nil, "", errors.New("an opening is a pair")
	}
	salt, err = base64.StdEncoding.Strict().DecodeString(pair[0])
	if err != nil {
		return nil, "", err
	}
	if len(salt) != saltBytes {
		return nil, "", errors.New("a salt has 16 bytes")
	}
	return salt, pair[1], nil
}

func coveredBytes(name, value string) ([]byte, error) {
	switch name {
	case "digest":
		return base64.StdEncoding.Strict().DecodeString(value)
	case "context", "destinationContext":
		return contextBytes(value)
	default:
		return []byte(value), nil
	}
}

// contextBytes is the encoding of a context in spec/ciphertext.md.
func contextBytes(value string) ([]byte, error) {
	var pairs map[string]string
	if err := json.Unmarshal([]byte(value), &pairs); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(pairs))
	for name := range pairs {
		names = append(names, name)
	}
	sort.Strings(names)
	encoded := binary.BigEndian.AppendUint32(nil, uint32(len(pairs)))
	for _, name := range names {
		for _, part := range []string{name, pairs[name]} {
			encoded = binary.BigEndian.AppendUint32(encoded, uint32(len(part)))
			encoded = append(encoded, part...)
		}
	}
	return encoded, nil
}

// verifyRecords checks what the records say, and what lies beside them.
func verifyRecords(folder string, entries [][]byte) error {
	closed := map[int64]bool{}
	var logID, last string
	var lines [][]byte
	for at, entry := range entries {
		index := int64(at)
		read, err := readRecord(entry)
		if err != nil {
			return fmt.Errorf("record %d: %w", index, err)
		}
		if index == 0 {
			logID = read.logID
		}
		if read.index != index || read.logID != logID {
			return fmt.Errorf("record %d is another: record %d of log %s", index, read.index, read.logID)
		}
		if read.time < last {
			return fmt.Errorf("record %d: time runs backwards", index)
		}
		last = read.time
		if index&(1<<tileHeight-1) == 0 {
			lines, err = readOpenings(folder, index, int64(len(entries)))
			if err != nil {
				return err
			}
		}
		whole, err := openLine(read, lines[index&(1<<tileHeight-1)])
		if err != nil {
			return fmt.Errorf("record %d: %w", index, err)
		}
		if !whole {
			closed[index] = true
		}
		if read.redaction != nil {
			for covered := read.redaction.From; covered < read.redaction.To && covered < index; covered++ {
				delete(closed, covered)
			}
		}
	}
	for index := range closed {
		return fmt.Errorf("record %d is not opened, and no redaction covers it", index)
	}
	return nil
}

func openLine(read *record, line []byte) (bool, error) {
	var beside struct {
		Index    int64             `json:"index"`
		Openings map[string]opened `json:"openings"`
		Items    []opened          `json:"items"`
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&beside); err != nil {
		return false, err
	}
	if beside.Index != read.index || beside.Openings == nil {
		return false, errors.New("the openings are those of another record")
	}
	return read.open(beside.Openings, beside.Items)
}

func readOpenings(folder string, index, size int64) ([][]byte, error) {
	tile := tlog.Tile{H: tileHeight, L: -1, N: index >> tileHeight, W: int(min(1<<tileHeight, size-index))}
	path := strings.Replace(pathOf(tile), filepath.Join("tile", "entries"), "openings", 1)
	text, err := os.ReadFile(filepath.Join(folder, path))
	if err != nil {
		return nil, err
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if len(lines) != tile.W {
		return nil, fmt.Errorf("%s has %d lines", path, len(lines))
	}
	return lines, nil
}
