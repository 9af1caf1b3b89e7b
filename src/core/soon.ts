/** There already, as nearly always, or as soon as somebody has answered. Who gets one waits only where it is a promise. */
export type Soon<T> = T | Promise<T>;
