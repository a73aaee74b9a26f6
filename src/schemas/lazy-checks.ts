/** The checks of the things of one kind, by name. Each is made when it is first needed. */
export class LazyChecks<Schema, Check> {
  readonly #schemas: Readonly<Record<string, Schema>>
  readonly #make: (schema: Schema, name: string) => Check
  readonly #made = new Map<string, Check>()

  constructor(schemas: Readonly<Record<string, Schema>>, make: (schema: Schema, name: string) => Check) {
    this.#schemas = schemas
    this.#make = make
  }

  /** Undefined if there is nothing of this name. */
  get(name: string): Check | undefined {
    return this.#made.get(name) ?? this.#add(name)
  }

  /** Makes all checks. */
  makeAll(): void {
    for (const name of Object.keys(this.#schemas)) this.get(name)
  }

  #add(name: string): Check | undefined {
    if (!Object.hasOwn(this.#schemas, name)) return undefined
    const check = this.#make(this.#schemas[name] as Schema, name)
    this.#made.set(name, check)
    return check
  }
}
