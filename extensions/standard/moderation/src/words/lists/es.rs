//! Spanish. Left out: `coño`, which without its tilde is a cone, `polla` (a hen), `culo`, `concha` (a shell and a name), `zorra` (a vixen), `capullo` (a bud), `mamon`, which Mammon resembles.

use super::List;

pub(super) const LIST: List = List {
    language: "es",
    east_asian: false,
    low: &["mierda", "mierdas", "joder", "carajo", "maldito sea"],
    medium: &[
        "gilipollas",
        "cabron",
        "cabrones",
        "cabrona",
        "pendejo*",
        "pendeja*",
        "hijo de puta",
        "hija de puta",
        "hijos de puta",
        "hijueputa*",
        "hijoputa*",
        "malparido*",
        "chinga tu madre",
        "chingada",
        "chingado",
        "vete a la mierda",
        "que te jodan",
        "follar",
        "soplapollas",
    ],
    high: &[
        "puta",
        "putas",
        "puto",
        "putos",
        "perra de mierda",
        "matate",
        "te voy a matar",
        "manda nudes",
        "pasa nudes",
    ],
    except: &["putto", "puttos", "putta", "mattate"],
};
