//! Letters of Latin script with marks, by the letter without. Made from the decompositions of the Unicode Character Database,
//! with what has none there but looks or reads like a plain letter (`ø`, `ł`, `ı`). `?` stands where there is nothing to fold.

/// U+00C0 to U+023F.
const EXTENDED: [[u8; 64]; 6] = [
    *b"aaaaaa?ceeeeiiiidnooooo?ouuuuy??aaaaaa?ceeeeiiiidnooooo?ouuuuy?y",
    *b"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii??jjkkkllllll?",
    *b"?llnnnnnn?nnoooooo??rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs",
    *b"bb?????cc??dd?ee?ffg???ikkl????ooo??pp??????tt?uu??yyzz?????????",
    *b"?????????????aaiioouuuuuuuuuueaaaa??ggggkkoooo??j???gg??nnaa??oo",
    *b"aaaaeeeeiiiioooorrrruuuusstt??hh????zzaaeeooooooooyy???????ccl??",
];
/// U+1E00 to U+1EFF.
const ADDITIONAL: [[u8; 64]; 4] = [
    *b"aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmm",
    *b"mmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvv",
    *b"wwwwwwwwwwxxxxyyzzzzzzhtwy?s????aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeee",
    *b"eeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyy??????",
];

/// The small letter without marks, if this is one with.
pub(super) fn plain(letter: char) -> Option<char> {
    let at = letter as usize;
    let found = match at {
        0xC0..0x240 => EXTENDED[(at - 0xC0) / 64][at % 64],
        0x1E00..0x1F00 => ADDITIONAL[(at - 0x1E00) / 64][at % 64],
        _ => return None,
    };
    (found != b'?').then_some(char::from(found))
}
